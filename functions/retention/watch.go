package retention

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/request"
)

// LateAfter is how long after its last purge a project's next one is late.
const LateAfter = 26 * time.Hour

// watch writes the line by which an alert sees that something has stopped. It is a
// message of its own: a purge that does not begin could not tell.
func (p *purger) watch(ctx context.Context) error {
	now := p.config.now()
	purged, err := p.purgedBefore(ctx, now)
	if err != nil {
		return err
	}
	oldest, err := p.oldestRequest(ctx)
	if err != nil {
		return err
	}
	attrs := []any{"purge_hours", now.Sub(purged).Hours(), "request_hours", 0.0}
	if oldest != nil {
		attrs = []any{"purge_hours", now.Sub(purged).Hours(), "request_hours", now.Sub(oldest.Begun()).Hours(),
			"project", oldest.Project, "request", oldest.ID, "kind", oldest.Kind}
	}
	slog.InfoContext(ctx, "forward progress", attrs...)
	return nil
}

// purgedBefore finds, over all projects, the time before which all have been purged,
// and names those that are late.
func (p *purger) purgedBefore(ctx context.Context, now time.Time) (time.Time, error) {
	before := now
	q := p.db.Collection("projects").OrderBy(firestore.DocumentID, firestore.Asc).Select("created").Limit(fanOutPage)
	for {
		snaps, err := q.Documents(ctx).GetAll()
		if err != nil {
			return before, fmt.Errorf("find projects: %w", err)
		}
		var refs []*firestore.DocumentRef
		for _, s := range snaps { // a run that has finished less than LateAfter ago is of one of these days
			refs = append(refs, runRef(p.db, s.Ref.ID, now.Format(time.DateOnly)), runRef(p.db, s.Ref.ID, now.AddDate(0, 0, -1).Format(time.DateOnly)))
		}
		runs, err := p.db.GetAll(ctx, refs)
		if err != nil {
			return before, fmt.Errorf("read runs: %w", err)
		}
		for i, s := range snaps {
			last, err := lastPurge(now, s, runs[2*i:2*i+2])
			if err != nil {
				return before, err
			}
			if late := now.Sub(last); late > LateAfter {
				slog.WarnContext(ctx, "purge is late", "project", s.Ref.ID, "hours", late.Hours())
			}
			if last.Before(before) {
				before = last
			}
		}
		if len(snaps) < fanOutPage {
			return before, nil
		}
		q = q.StartAfter(snaps[fanOutPage-1].Ref.ID)
	}
}

// lastPurge is when a project was purged last. Of one without a run of these days it
// is when the project was made, or two days ago: longer is not looked back.
func lastPurge(now time.Time, projectSnap *firestore.DocumentSnapshot, runs []*firestore.DocumentSnapshot) (last time.Time, err error) {
	for _, s := range runs {
		if !s.Exists() {
			continue
		}
		r, err := decodeRun(s)
		if err != nil {
			return last, err
		}
		if !r.Finished.IsZero() {
			return r.Finished, nil
		}
	}
	last = now.AddDate(0, 0, -2)
	if created, _ := projectSnap.Data()["created"].(time.Time); created.After(last) {
		last = created
	}
	return last, nil
}

// oldestMost is how many unfinished requests are looked at, the oldest first.
const oldestMost = 200

// oldestRequest finds the request that has been ours to answer for longest, of all
// projects; nil if all are finished. What needs confirmation waits for the customer, and
// is counted from when that has come.
func (p *purger) oldestRequest(ctx context.Context) (oldest *request.Request, err error) {
	snaps, err := p.db.CollectionGroup(request.Collection).Where("status", "in", []request.Status{request.Queued, request.Running}).
		OrderBy("created", firestore.Asc).Select("project", "kind", "created", "decided").Limit(oldestMost).Documents(ctx).GetAll()
	if err != nil {
		return nil, fmt.Errorf("find the oldest unfinished request: %w", err)
	}
	for _, snap := range snaps {
		r := &request.Request{ID: snap.Ref.ID}
		if err := snap.DataTo(r); err != nil {
			return nil, fmt.Errorf("decode request: %w", err)
		}
		if oldest == nil || r.Begun().Before(oldest.Begun()) {
			oldest = r
		}
	}
	return oldest, nil
}
