package retention

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"cloud.google.com/go/firestore"
	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/storage"
	"golang.org/x/sync/errgroup"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/retention"
	"github.com/lethe-analytics/lethe/shared/topology"
)

// lease is how long a worker has a run: longer than its work can last, so that
// nobody else begins while it could still write.
const lease = topology.AckDeadline

// fanOutPage is how many projects one message finds.
const fanOutPage = 500

// task is the data of a message: without a project, to find all projects after one,
// to sweep the dead letters, or to look whether all goes on; with one, a slice of its
// run.
type task struct {
	Watch   bool   `json:"watch,omitempty"`
	Letters bool   `json:"letters,omitempty"`
	Project string `json:"project,omitempty"`
	Day     string `json:"day,omitempty"` // of the run; empty: today
	Step    int    `json:"step,omitempty"`
	After   string `json:"after,omitempty"`
}

var validProject = regexp.MustCompile(`^([a-z][a-z0-9-]{1,62})?$`)

type purger struct {
	config Config
	db     *firestore.Client
	bucket *storage.BucketHandle
	pubsub *pubsub.Client
	tasks  *queue.Publisher
	parked *queue.Publisher // to the dead letters of events
}

func (p *purger) message(ctx context.Context, m *queue.Message) error {
	var t task
	if err := json.Unmarshal(m.Data, &t); err != nil || !validProject.MatchString(t.Project) || !validProject.MatchString(t.After) {
		return fault.Wrap(fault.Invalid, err, "not a task")
	}
	switch {
	case t.Watch:
		return p.watch(ctx)
	case t.Letters:
		return p.letters(ctx)
	}
	now := p.config.now()
	if t.Day == "" {
		t.Day = now.Format(time.DateOnly)
	}
	day, err := time.Parse(time.DateOnly, t.Day)
	if err != nil || day.After(now) { // a day to come would purge too much
		return fault.Wrap(fault.Invalid, err, "not a task: its day is not one, or has not come")
	}
	if t.Project == "" {
		return p.fanOut(ctx, t)
	}
	return p.slice(ctx, t, day)
}

// fanOut publishes a task for each project of a page, and one for the next page; with
// the first page, one for the dead letters.
func (p *purger) fanOut(ctx context.Context, t task) error {
	if t.After == "" {
		if err := p.publish(ctx, task{Letters: true}); err != nil {
			return err
		}
	}
	q := p.db.Collection("projects").OrderBy(firestore.DocumentID, firestore.Asc).Select().Limit(fanOutPage)
	if t.After != "" {
		q = q.StartAfter(t.After)
	}
	snaps, err := q.Documents(ctx).GetAll()
	if err != nil {
		return fmt.Errorf("find projects: %w", err)
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(16)
	for _, snap := range snaps {
		g.Go(func() error { return p.publish(gctx, task{Project: snap.Ref.ID, Day: t.Day}) })
	}
	if err := g.Wait(); err != nil || len(snaps) < fanOutPage {
		return err
	}
	return p.publish(ctx, task{Day: t.Day, After: snaps[fanOutPage-1].Ref.ID})
}

func (p *purger) publish(ctx context.Context, t task) error {
	data, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("write a task: %w", err)
	}
	return p.tasks.Publish(ctx, data, map[string]string{queue.AttrProject: t.Project})
}

// slice works on a project's run for a while, and publishes the next slice.
func (p *purger) slice(ctx context.Context, t task, day time.Time) error {
	r, mine, err := p.take(ctx, t)
	if err != nil || r == nil {
		return err
	}
	if mine {
		j := &job{purger: p, project: t.Project, day: day, run: r, lease: r.Lease, end: time.Now().Add(p.config.Slice)}
		done, err := j.work(ctx)
		if err == nil {
			err = j.commit(ctx, func(r *Run) {
				r.Lease = time.Time{}
				if r.Step++; done {
					r.Finished = p.config.now()
				}
			}, nil)
		}
		if err != nil {
			p.release(t, j.lease)
			return err
		}
		if r = j.run; done {
			j.log(ctx)
		}
	}
	if !r.Finished.IsZero() {
		return nil
	}
	// Of a slice that was done before, the next one's message may have been lost.
	return p.publish(ctx, task{Project: t.Project, Day: t.Day, Step: r.Step})
}

// take leases the run for a task, and makes it if it is the first. It is not the
// worker's (mine is false) if the task has been done; there is none (nil) if the
// project is not there.
func (p *purger) take(ctx context.Context, t task) (r *Run, mine bool, err error) {
	var marks []mark
	if t.Step == 0 { // the run before says how far the rules have been applied
		before, err := listRuns(ctx, p.db, t.Project, t.Day, 1)
		if err != nil {
			return nil, false, err
		}
		if len(before) > 0 {
			marks = before[0].Marks
		}
	}
	ref := runRef(p.db, t.Project, t.Day)
	err = p.db.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		mine, r = false, nil
		snaps, err := tx.GetAll([]*firestore.DocumentRef{retention.Ref(p.db, t.Project), ref})
		if err != nil || !snaps[0].Exists() {
			return err
		}
		now := time.Now().UTC().Truncate(time.Microsecond) // leases know no other clock
		r = &Run{Day: t.Day, Started: p.config.now(), Marks: marks}
		if snaps[1].Exists() {
			if r, err = decodeRun(snaps[1]); err != nil {
				return err
			}
		}
		switch {
		case !r.Finished.IsZero() || t.Step < r.Step:
			return nil
		case r.Lease.After(now):
			return fault.New(fault.Unavailable, "another worker has the run")
		case t.Step > r.Step:
			return fault.New(fault.Unavailable, "the slice before is not finished")
		}
		mine, r.Lease = true, now.Add(lease)
		return tx.Set(ref, r)
	})
	if err != nil {
		return nil, false, fmt.Errorf("take a run: %w", err)
	}
	return r, mine, nil
}

// release gives the run back, so that the message's next delivery need not wait for
// the lease to end. It is the best that can be done after a failure.
func (p *purger) release(t task, mine time.Time) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	ref := runRef(p.db, t.Project, t.Day)
	err := p.db.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		snap, err := tx.Get(ref)
		if err != nil {
			return err
		}
		r, err := decodeRun(snap)
		if err != nil || !r.Lease.Equal(mine) {
			return err
		}
		return tx.Update(ref, []firestore.Update{{Path: "lease", Value: time.Time{}}})
	})
	if err != nil {
		slog.WarnContext(ctx, "a run stays leased", "project", t.Project, "error", err.Error())
	}
}

// errChanged says that settings or holds are no longer what a slice has read.
var errChanged = errors.New("retention was changed meanwhile")

// errLost says that the lease has ended: another worker has the run.
var errLost = fault.New(fault.Unavailable, "another worker has the run")
