package retention_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/firestore"
	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/storage"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/emulators/local/localstorage"
	"github.com/lethe-analytics/lethe/functions/retention"
	"github.com/lethe-analytics/lethe/functions/store"
	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/topology"
)

// start is the first day of every test, noon.
var start = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

// world is a tenant with the function that purges and the one that stores.
type world struct {
	*local.Tenant
	t      testing.TB
	ps     *pubsub.Client
	bucket *storage.BucketHandle
	now    atomic.Pointer[time.Time]
	key    string // role admin
	api    http.Handler
	worker http.Handler
	store  http.Handler
}

func newWorld(t testing.TB, slice time.Duration, change func(*project.Project)) *world {
	t.Helper()
	w := &world{Tenant: local.NewTenant(t, change), t: t}
	w.ps = w.OpenPubSub(t)
	_, w.bucket = localstorage.OpenBucket(t, w.Tenant)
	w.key = w.Key
	w.set(start)
	c := retention.Config{Config: w.Config, Timeout: time.Minute, PreviewTime: time.Minute, PublishTimeout: 30 * time.Second, Slice: slice, SweepIdle: time.Second,
		Now: func() time.Time { return *w.now.Load() }}
	w.api = retention.New(c, w.Guard(w.t), w.Default)
	w.worker = retention.NewWorker(c, w.Default, w.bucket, w.ps)
	w.store = store.New(w.Databases, queue.NewPublisher(w.ps, topology.DeadTopic(topology.TopicEvents), 30*time.Second),
		queue.NewPublisher(w.ps, topology.TopicLinks, 30*time.Second))
	return w
}

// set sets the clock.
func (w *world) set(now time.Time) { w.now.Store(&now) }

func (w *world) today() string { return w.now.Load().Format(time.DateOnly) }

// call makes a request that must be answered with a status; the answer is decoded
// unless into is nil.
func (w *world) call(method, path, body string, want int, into any) string {
	w.t.Helper()
	rec := local.Call(w.t.Context(), w.api, method, path, w.key, body)
	if rec.Code != want {
		w.t.Fatalf("%s %s %s: %d %s, want %d", method, path, body, rec.Code, rec.Body, want)
	}
	if into != nil {
		if err := json.Unmarshal(rec.Body.Bytes(), into); err != nil {
			w.t.Fatalf("%s: %v", rec.Body, err)
		}
	}
	return rec.Body.String()
}

// run is the record of a day's run; nil if there is none.
func (w *world) run(day string) (r *retention.Run) {
	w.t.Helper()
	docs, err := w.Default.Collection("projects/"+w.Project.ID+"/retention_runs").Where("day", "==", day).Documents(w.t.Context()).GetAll()
	if err != nil {
		w.t.Fatal(err)
	}
	if len(docs) == 0 {
		return nil
	}
	r = &retention.Run{}
	if err := docs[0].DataTo(r); err != nil {
		w.t.Fatal(err)
	}
	return r
}

// slice delivers the message of the day's next slice.
func (w *world) slice(ctx context.Context) (code int, r *retention.Run) {
	w.t.Helper()
	step := 0
	if r = w.run(w.today()); r != nil {
		step = r.Step
	}
	code = w.Push(ctx, w.t, w.worker, fmt.Appendf(nil, `{"project":%q,"day":%q,"step":%d}`, w.Project.ID, w.today(), step))
	return code, w.run(w.today())
}

// expire ends the lease of a worker that was killed, as time would.
func (w *world) expire() {
	w.t.Helper()
	docs, err := w.Default.Collection("projects/" + w.Project.ID + "/retention_runs").Documents(w.t.Context()).GetAll()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, d := range docs {
		if _, err := d.Ref.Update(w.t.Context(), []firestore.Update{{Path: "lease", Value: time.Time{}}}); err != nil {
			w.t.Fatal(err)
		}
	}
}

// purge delivers slices until today's run has finished.
func (w *world) purge() *retention.Run {
	w.t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		code, r := w.slice(w.t.Context())
		if code == http.StatusNoContent && !r.Finished.IsZero() {
			return r
		}
		if code != http.StatusNoContent && code != http.StatusServiceUnavailable {
			w.t.Fatalf("the worker answers %d", code)
		}
	}
	w.t.Fatal("the run does not finish")
	return nil
}

func (w *world) ref(id string) *firestore.DocumentRef {
	return person.Ref(w.Default, w.Project.ID, person.MakeKey(w.Project.Secret, id))
}

// doc is an identity's document; known reports whether it has one.
func (w *world) doc(id string) (doc person.Doc, known bool) {
	w.t.Helper()
	docs, err := w.Default.GetAll(w.t.Context(), []*firestore.DocumentRef{w.ref(id)})
	if err != nil {
		w.t.Fatal(err)
	}
	if !docs[0].Exists() {
		return doc, false
	}
	if err := docs[0].DataTo(&doc); err != nil {
		w.t.Fatal(err)
	}
	return doc, true
}

func (w *world) exists(id string) bool {
	w.t.Helper()
	_, known := w.doc(id)
	return known
}

// stored is what a project has: events by their $insert_id, and chunks with the time
// at which they were written and the events that they hold.
type stored struct {
	events map[string]event.Event
	chunks map[string]time.Time
	within map[string][]string
}

func (w *world) stored(projectID string) stored {
	w.t.Helper()
	s := stored{map[string]event.Event{}, map[string]time.Time{}, map[string][]string{}}
	docs, err := w.Default.CollectionGroup(chunk.Collection).Where("project", "==", projectID).OrderBy("day", firestore.Asc).Documents(w.t.Context()).GetAll()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, d := range docs {
		s.chunks[d.Ref.Path] = d.UpdateTime
		data, _ := d.Data()["data"].([]byte)
		err := event.Unpack(data, func(e *event.Event) error {
			if _, twice := s.events[e.InsertID]; twice {
				w.t.Errorf("%s is there twice", e.InsertID)
			}
			s.events[e.InsertID] = *e
			s.within[d.Ref.Path] = append(s.within[d.Ref.Path], e.InsertID)
			return nil
		}, nil)
		if err != nil {
			w.t.Fatal(err)
		}
	}
	return s
}

var count atomic.Int64

// ev makes an event so many days before the start.
func ev(id, name string, ago int, props string) event.Event {
	at := event.Millis(start.AddDate(0, 0, -ago).UnixMilli())
	return event.Event{Name: name, DistinctID: id, InsertID: fmt.Sprint("i", count.Add(1)), Time: at, Received: at + 1000, Properties: props}
}

// op makes an operation so many days before the start.
func op(id, name, value string, ago int) event.Op {
	n := count.Add(1)
	return event.Op{DistinctID: id, Name: name, Value: value, Received: event.Millis(start.AddDate(0, 0, -ago).UnixMilli()), Request: fmt.Sprint("sdk", n), Seq: 1}
}

// settings stores settings at once, past the wait.
func (w *world) settings(fields map[string]any) {
	w.t.Helper()
	if _, err := w.Default.Doc("projects/"+w.Project.ID).Set(w.t.Context(), fields, firestore.MergeAll); err != nil {
		w.t.Fatal(err)
	}
}
