package request

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"cloud.google.com/go/firestore"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/topology"
)

// lease is how long a worker has a request: longer than its work can last
// (queue.Worker ends that before the acknowledgement deadline), so that nobody
// else begins while it could still write.
const lease = topology.AckDeadline

// DefaultSlice is how long a slice of work lasts, well within the acknowledgement
// deadline of 60 seconds.
const DefaultSlice = 25 * time.Second

// task is the data of a message: the next slice of a request.
type task struct {
	Project string `json:"project"`
	Request string `json:"request"`
	Step    int    `json:"step"`
}

// Slice is a piece of work on one request, which the worker has to itself.
type Slice struct {
	*Request
	db  *firestore.Client
	end time.Time
}

// Time reports whether there is time left to begin something else.
func (s *Slice) Time() bool { return time.Now().Before(s.end) }

// Load reads the position that the slice before has left.
func (s *Slice) Load(position any) error {
	if err := json.Unmarshal([]byte(s.Position), position); err != nil {
		return fmt.Errorf("decode the position of a request: %w", err)
	}
	return nil
}

// Save stores a position within the slice: a worker that is killed goes on from
// there. What leads up to it must have been done.
func (s *Slice) Save(ctx context.Context, position any) error {
	b, err := json.Marshal(position)
	if err != nil {
		return fmt.Errorf("write the position of a request: %w", err)
	}
	s.Position = string(b)
	if _, err := Ref(s.db, s.Project, s.ID).Update(ctx, []firestore.Update{{Path: "position", Value: s.Position}}); err != nil {
		return fmt.Errorf("save the position of a request: %w", err)
	}
	return nil
}

// Outcome is what a slice came to.
type Outcome struct {
	Done   bool
	Result any // of a request that is done; becomes JSON
}

// Work does a slice: it goes on from the position (Slice.Load) until it is done or
// Slice.Time has run out, and saves how far it came (Slice.Save). What it does twice
// must come to the same as once. A permanent fault makes the request failed, with
// the fault's detail as the reason; any other error is tried again.
type Work func(ctx context.Context, s *Slice) (Outcome, error)

// Worker answers the pushes of a kind's topic.
func Worker(db *firestore.Client, dead *queue.Publisher, pubs Publishers, slice time.Duration, work Work) http.Handler {
	w := &worker{db: db, pubs: pubs, slice: slice, work: work}
	return queue.Worker(dead, w.message)
}

type worker struct {
	db    *firestore.Client
	pubs  Publishers
	slice time.Duration
	work  Work
}

func (w *worker) message(ctx context.Context, m *queue.Message) error {
	var t task
	if err := json.Unmarshal(m.Data, &t); err != nil || t.Project == "" || !ValidID(t.Request) {
		return fault.Wrap(fault.Invalid, err, "not a task")
	}
	r, mine, err := w.take(ctx, t)
	if err != nil || r == nil {
		return err
	}
	if !mine { // the next slice's message may have been lost: this one was delivered again
		if err := w.pubs.Publish(ctx, r); err != nil {
			return err
		}
		return w.tell(ctx, r)
	}
	if err := w.tell(ctx, r); err != nil {
		w.release(r)
		return err
	}
	out, err := w.work(ctx, &Slice{Request: r, db: w.db, end: time.Now().Add(w.slice)})
	if err != nil && !fault.Permanent(err) {
		w.release(r)
		return err
	}
	if err := w.finish(ctx, r, out, err); err != nil {
		return err
	}
	if err := w.pubs.Publish(ctx, r); err != nil {
		return err
	}
	return w.tell(ctx, r)
}

// take leases the request for a task. It is not the worker's (mine is false) if
// the task has been done; there is none (nil) if the request is not there.
func (w *worker) take(ctx context.Context, t task) (r *Request, mine bool, err error) {
	err = w.db.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		mine = false
		snap, err := tx.Get(Ref(w.db, t.Project, t.Request))
		if status.Code(err) == codes.NotFound {
			r = nil
			return nil
		}
		if err != nil {
			return err
		}
		if r, err = decode(snap); err != nil {
			return err
		}
		switch {
		case r.Status.Final() || r.Status == NeedsConfirmation || t.Step < r.Step:
			return nil
		case r.Lease.After(now()):
			return fault.New(fault.Unavailable, "another worker has the request")
		case t.Step > r.Step:
			return fault.New(fault.Unavailable, "the slice before is not finished")
		}
		mine = true
		if r.Status == Queued {
			r.Status, r.Started = Running, now()
		}
		r.Lease = now().Add(lease)
		return tx.Update(snap.Ref, []firestore.Update{
			{Path: "status", Value: r.Status}, {Path: "started", Value: r.Started}, {Path: "lease", Value: r.Lease},
		})
	})
	if err != nil {
		return nil, false, fmt.Errorf("take a request: %w", err)
	}
	return r, mine, nil
}

// release gives the request back, so that the message's next delivery need not
// wait for the lease to end. It is the best that can be done after a failure.
func (w *worker) release(r *Request) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if _, err := Ref(w.db, r.Project, r.ID).Update(ctx, []firestore.Update{{Path: "lease", Value: time.Time{}}}); err != nil {
		slog.WarnContext(ctx, "a request stays leased", "request", r.ID, "error", err.Error())
	}
}

// finish stores what a slice came to.
func (w *worker) finish(ctx context.Context, r *Request, out Outcome, failure error) error {
	result, err := optional(out.Result != nil, out.Result)
	if err != nil {
		return err
	}
	err = w.db.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		snap, err := tx.Get(Ref(w.db, r.Project, r.ID))
		if err != nil {
			return err
		}
		stored, err := decode(snap)
		if err != nil {
			return err
		}
		if stored.Step != r.Step || stored.Status != r.Status {
			return fault.New(fault.Unavailable, "another worker has done the slice")
		}
		*r = *stored
		r.Lease = time.Time{}
		switch {
		case failure != nil:
			r.Status, r.Finished, r.Failure = Failed, now(), reason(failure)
			r.Find = "" // by what the persons are known is of no more use
			slog.ErrorContext(ctx, "request failed", "request", r.ID, "kind", r.Kind, "error", failure.Error())
		case out.Done:
			r.Status, r.Finished, r.Result = Done, now(), result
		case r.waits():
			r.Status = NeedsConfirmation
			r.Step++
		default:
			r.Step++
		}
		return tx.Set(snap.Ref, r)
	})
	if err != nil {
		return fmt.Errorf("finish a slice: %w", err)
	}
	if r.Status.Final() { // an objective of the service is measured by this line
		slog.InfoContext(ctx, "request finished", "project", r.Project, "request", r.ID, "kind", r.Kind, "status", r.Status,
			"hours", r.Finished.Sub(r.Begun()).Hours())
	}
	return nil
}

func reason(err error) string {
	var f *fault.Error
	if errors.As(err, &f) {
		return f.Detail
	}
	return "something went wrong on our side"
}

// tell publishes a change of state to those who asked to be told, once it is
// stored; at least once.
func (w *worker) tell(ctx context.Context, r *Request) error {
	return w.pubs.Tell(ctx, w.db, r)
}
