package retention

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"cloud.google.com/go/storage"
	"google.golang.org/api/iterator"

	"github.com/lethe-analytics/lethe/shared/retention"
)

// archives deletes the objects of old exports. The bucket's lifecycle deletes them as
// well, later where retention is shorter; neither heeds a hold, since an archive is a
// copy.
func (j *job) archives(ctx context.Context) (done bool, err error) {
	before := j.config.now().AddDate(0, 0, -j.doc.ArchiveDays())
	objects := j.bucket.Objects(ctx, &storage.Query{Prefix: "exports/" + j.project + "/"})
	n := 0
	for n == 0 || j.time() { // of those that stay there are few, since exports go within days
		o, err := objects.Next()
		if errors.Is(err, iterator.Done) {
			done = true
			break
		}
		if err != nil {
			return false, fmt.Errorf("find old exports: %w", err)
		}
		if !o.Created.Before(before) {
			continue
		}
		err = j.bucket.Object(o.Name).If(storage.Conditions{GenerationMatch: o.Generation}).Delete(ctx)
		if err != nil && !errors.Is(err, storage.ErrObjectNotExist) {
			return false, fmt.Errorf("delete an old export: %w", err)
		}
		n++
	}
	return done, j.commit(ctx, func(r *Run) { r.Counts.Archives += n }, nil)
}

// overdueDays beyond retention an event is a fault: the purge runs daily.
const overdueDays = 2

// finish looks what the oldest event is that is left and is not on hold.
func (j *job) finish(ctx context.Context) (done bool, err error) {
	oldest, err := j.oldest(ctx, "")
	if err == nil && oldest == "" { // nothing, or too much on hold to be passed over in time
		oldest, err = j.oldest(ctx, retention.Cutoff(j.doc.Days, j.day))
	}
	if err != nil {
		return false, err
	}
	late := ""
	if j.doc.Days != retention.Unlimited && j.doc.Hold == nil {
		late = retention.Cutoff(j.doc.Days+overdueDays, j.day)
	}
	return true, j.commit(ctx, func(r *Run) {
		r.Oldest, r.Overdue = oldest, oldest != "" && oldest < late
	}, nil)
}

// oldest is the day of the first chunk that is not on hold. It is read as a stream, of which
// the chunks on hold are nearly always the least part.
func (j *job) oldest(ctx context.Context, from string) (day string, err error) {
	docs := chunksOf(j.db, j.project, from, "", cursor{}).Select("day").Documents(ctx)
	defer docs.Stop()
	for n := 0; ; n++ {
		if n >= chunkPage && !j.time() {
			return "", nil
		}
		snap, err := docs.Next()
		if errors.Is(err, iterator.Done) {
			return "", nil
		}
		if err != nil {
			return "", fmt.Errorf("find the oldest event: %w", err)
		}
		if j.held[owner(snap)] {
			continue
		}
		at, err := cursorAt(snap)
		return at.Day, err
	}
}

// log writes the line that metrics are made of: overdue true is an alarm.
func (j *job) log(ctx context.Context) {
	r := j.run
	level := slog.LevelInfo
	if r.Overdue {
		level = slog.LevelError
	}
	age := 0
	if day, err := time.Parse(time.DateOnly, r.Oldest); err == nil {
		age = int(j.day.Sub(day) / (24 * time.Hour))
	}
	slog.Log(ctx, level, "retention run", "project", j.project, "day", r.Day, "retention_days", r.Days, "oldest_days", age, "overdue", r.Overdue,
		"scanned", r.Counts.Scanned, "chunks", r.Counts.Chunks, "events", r.Counts.Events, "seconds", r.Finished.Sub(r.Started).Seconds())
}
