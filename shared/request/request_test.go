package request_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/request"
	"github.com/lethe-analytics/lethe/shared/topology"
)

// world is a tenant whose deletions are worked on by the test.
type world struct {
	*local.Tenant
	t    *testing.T
	ps   *pubsub.Client
	pubs request.Publishers
}

func newWorld(t *testing.T) *world {
	w := &world{Tenant: local.NewTenant(t, nil), t: t}
	w.ps = w.OpenPubSub(t)
	w.pubs = request.Publishers{
		Tasks:     queue.NewPublisher(w.ps, topology.TopicDeletions, 30*time.Second),
		Callbacks: queue.NewPublisher(w.ps, topology.TopicCallbacks, 30*time.Second),
	}
	return w
}

// run works on the deletions until the test ends.
func (w *world) run(work request.Work) {
	dead := queue.NewPublisher(w.ps, topology.DeadTopic(topology.TopicDeletions), 30*time.Second)
	server := httptest.NewServer(request.Worker(w.Default, dead, w.pubs, 50*time.Millisecond, work))
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		(&local.Relay{Client: w.ps, URL: server.URL,
			Subscription: local.SubscriptionName(w.Config.Project, topology.PushSubscription(topology.TopicDeletions, "delete-worker"))}).Run(ctx)
	})
	w.t.Cleanup(func() { cancel(); running.Wait(); server.Close() })
}

func (w *world) create(n request.New) *request.Request {
	w.t.Helper()
	if n.Kind == "" {
		n.Kind, n.Whole = request.Deletion, true
	}
	r, err := request.Create(w.t.Context(), w.Default, w.Project, n)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func (w *world) publish(r *request.Request) {
	w.t.Helper()
	if err := w.pubs.Publish(w.t.Context(), r); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) get(r *request.Request) *request.Request {
	w.t.Helper()
	got, err := request.Get(w.t.Context(), w.Default, w.Project.ID, r.ID, "")
	if err != nil {
		w.t.Fatal(err)
	}
	return got
}

// until waits for a status.
func (w *world) until(r *request.Request, s request.Status) (got *request.Request) {
	w.t.Helper()
	local.Eventually(w.t, 2*time.Minute, func() error {
		got = w.get(r)
		if got.Status == s {
			return nil
		}
		if got.Status.Final() {
			w.t.Fatalf("status %s (%s), want %s", got.Status, got.Failure, s)
		}
		return fmt.Errorf("status %s (%s), want %s", got.Status, got.Failure, s)
	})
	return got
}

// The same request is the same, another is not.
func TestCreateTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.create(request.New{IDs: []string{"b", "a", "b"}})
	if got := w.get(first); got.Persons != 2 || got.Parts != 1 || got.Status != request.Queued {
		t.Errorf("%+v", got)
	}
	for name, n := range map[string]request.New{
		"other order":     {IDs: []string{"a", "b"}},
		"repeated person": {IDs: []string{"a", "a", "b"}},
	} {
		if got := w.create(n); got.ID != first.ID {
			t.Errorf("%s: a new request", name)
		}
	}
	seen := map[string]bool{first.ID: true}
	for name, n := range map[string]request.New{
		"fewer persons":   {IDs: []string{"a"}},
		"other params":    {IDs: []string{"a", "b"}, Params: map[string]any{"suppress": true}},
		"other values":    {IDs: []string{"a", "b"}, Private: "x"},
		"other kind":      {IDs: []string{"a", "b"}, Kind: request.Export},
		"idempotency key": {IDs: []string{"a", "b"}, IdempotencyKey: "1"},
		"other origin":    {IDs: []string{"a", "b"}, Origin: request.Mixpanel},
	} {
		got := w.create(n)
		if seen[got.ID] {
			t.Errorf("%s: the same request", name)
		}
		seen[got.ID] = true
	}
	if _, err := request.Cancel(t.Context(), w.Default, w.Project.ID, first.ID, request.Deletion); err != nil {
		t.Fatal(err)
	}
	if got := w.create(request.New{IDs: []string{"a", "b"}}); got.ID == first.ID {
		t.Error("a cancelled request is answered again")
	}
}

// Many at once make one request.
func TestCreateAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ids := make([]string, 10)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			r, err := request.Create(t.Context(), w.Default, w.Project, request.New{Kind: request.Deletion, IDs: []string{"a"}})
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = r.ID
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("several requests: %v", ids)
		}
	}
}

// A deletion that is done answers again until a person has come back.
func TestCreateAfterDone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run(func(context.Context, *request.Slice) (request.Outcome, error) {
		return request.Outcome{Done: true}, nil
	})
	n := request.New{Kind: request.Deletion, Whole: true, IDs: []string{"ann"}}
	first := w.create(n)
	w.publish(first)
	w.until(first, request.Done)
	if got := w.create(n); got.ID != first.ID {
		t.Error("nobody came back, but it is a new request")
	}
	ref := person.Ref(w.Default, w.Project.ID, person.MakeKey(w.Project.Secret, "ann"))
	fence := time.Now()
	bob := person.MakeKey(w.Project.Secret, "bob")
	if _, err := person.Ref(w.Default, w.Project.ID, bob).Set(t.Context(), person.Doc{Restriction: &person.Restriction{Since: fence}}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		doc  person.Doc
		back bool
	}{
		"what an erasure leaves":     {person.Doc{ErasedAt: fence, Consent: person.Consent{State: consent.Denied, At: fence}}, false},
		"a consent that came after":  {person.Doc{ErasedAt: fence, Consent: person.Consent{State: consent.Denied, At: fence.Add(time.Second)}}, true},
		"a restriction":              {person.Doc{ErasedAt: fence, Restriction: &person.Restriction{Since: fence}}, true},
		"an event, by its person":    {person.Doc{ErasedAt: fence, DistinctID: "ann"}, true},
		"one who was not erased yet": {person.Doc{DistinctID: "ann"}, true},
		"one whose person is back":   {person.Doc{ErasedAt: fence, Link: &person.Link{To: bob}}, true},
	} {
		if _, err := ref.Set(t.Context(), c.doc); err != nil {
			t.Fatal(err)
		}
		got := w.create(n)
		if (got.ID != first.ID) != c.back {
			t.Errorf("%s: another request is %v, want %v", name, got.ID != first.ID, c.back)
		}
		if got.ID != first.ID { // the old one is the answer again
			first = got
			w.publish(got)
			w.until(got, request.Done)
		}
	}
	if got := w.create(request.New{Kind: request.Deletion, Whole: true, IDs: []string{"ann"}, IdempotencyKey: "k"}); got.ID == first.ID {
		t.Error("another key is another request")
	}
}

// Of many persons each is looked at.
func TestCreateManyAfterDone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run(func(context.Context, *request.Slice) (request.Outcome, error) {
		return request.Outcome{Done: true}, nil
	})
	n := request.New{Kind: request.Deletion, Whole: true}
	for i := range 321 {
		n.IDs = append(n.IDs, fmt.Sprint("p", i))
	}
	first := w.create(n)
	w.publish(first)
	w.until(first, request.Done)
	if got := w.create(n); got.ID != first.ID {
		t.Error("nobody came back, but it is a new request")
	}
	w.people(map[string]any{n.IDs[len(n.IDs)-1]: nil})
	if got := w.create(n); got.ID == first.ID {
		t.Error("the last has come back, but it is no new request")
	}
}

// 2,000 persons with the longest ids fit.
func TestCreateLargest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ids := make([]string, request.MaxPersons)
	for i := range ids {
		ids[i] = strings.Repeat("☕", event.MaxString-4) + fmt.Sprintf("%04d", i)
	}
	if err := request.CheckIDs("distinct_ids", ids); err != nil {
		t.Fatal(err)
	}
	r := w.create(request.New{IDs: ids})
	if r.Parts != 20 || r.Persons != 2000 {
		t.Errorf("%d parts, %d persons", r.Parts, r.Persons)
	}
	found, err := request.Of(t.Context(), w.Default, w.Project.ID, person.MakeKey(w.Project.Secret, ids[1234]))
	if err != nil || len(found) != 1 || found[0].Request != r.ID {
		t.Errorf("%v %v", found, err)
	}
	for name, bad := range map[string][]string{"none": {}, "2,001": append(ids, "x"), "empty": {""}, "long": {strings.Repeat("é", 256)}, "not UTF-8": {"\xff"}} {
		if err := request.CheckIDs("distinct_ids", bad); fault.Of(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Work goes on from slice to slice, survives failures and repeated deliveries, and
// never runs twice at a time.
func TestSlices(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var running, calls atomic.Int32
	w.run(func(ctx context.Context, s *request.Slice) (request.Outcome, error) {
		if running.Add(1) != 1 {
			t.Error("two workers at a time")
		}
		defer running.Add(-1)
		var pos struct{ N int }
		if err := s.Load(&pos); err != nil {
			return request.Outcome{}, err
		}
		call := calls.Add(1)
		for here := 0; s.Time() && here < 20 && pos.N < 30; here++ { // never in one slice
			pos.N++
			if err := s.Save(ctx, pos); err != nil {
				return request.Outcome{}, err
			}
			if call%3 == 1 && pos.N%7 == 3 {
				return request.Outcome{}, errors.New("now and then it fails")
			}
		}
		return request.Outcome{Done: pos.N == 30, Result: pos}, nil
	})
	r := w.create(request.New{IDs: []string{"a"}})
	for range 3 { // a message may come more than once
		w.publish(r)
	}
	done := w.until(r, request.Done)
	if done.Result != `{"N":30}` || done.Finished.IsZero() || done.Started.IsZero() || done.Step == 0 {
		t.Errorf("%+v", done)
	}
	if _, err := request.Cancel(t.Context(), w.Default, w.Project.ID, r.ID, request.Deletion); fault.Of(err) != fault.Conflict {
		t.Errorf("cancelled when done: %v", err)
	}
}

// What can never be done is failed, with its reason, and what is cancelled is not
// begun.
func TestFailedAndCancelled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	find := []request.Identity{{Type: "email", Value: "b@example.com", Format: request.Raw}}
	cancelled := w.create(request.New{IDs: []string{"a"}, Find: find})
	if cancelled.Find == "" {
		t.Fatal("has nothing to find")
	}
	if _, err := request.Cancel(t.Context(), w.Default, w.Project.ID, cancelled.ID, request.Deletion); err != nil {
		t.Fatal(err)
	}
	stale := *cancelled
	stale.Status = request.Queued
	w.publish(&stale) // its message is under way
	w.run(func(_ context.Context, s *request.Slice) (request.Outcome, error) {
		if s.ID == cancelled.ID {
			t.Error("a cancelled request was begun")
		}
		return request.Outcome{}, fault.New(fault.Conflict, "it cannot be")
	})
	r := w.create(request.New{IDs: []string{"b"}, Find: find})
	w.publish(r)
	if got := w.until(r, request.Failed); got.Failure != "it cannot be" || got.Find != "" {
		t.Errorf("%+v", got)
	}
	if got := w.get(cancelled); got.Status != request.Cancelled || got.Find != "" {
		t.Errorf("%+v", got)
	}
}

// The list is complete, newest first, page by page, and each project's own.
func TestList(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.AddProject(t, "other")
	if _, err := request.Create(t.Context(), w.Default, other, request.New{Kind: request.Deletion, IDs: []string{"x"}}); err != nil {
		t.Fatal(err)
	}
	const n = request.PageSize + 5
	var ids []string
	for i := range n {
		ids = append(ids, w.create(request.New{IDs: []string{fmt.Sprint(i)}}).ID)
	}
	w.create(request.New{Kind: request.Export, IDs: []string{"x"}})
	var got []string
	for cursor := ""; ; {
		page, next, err := request.List(t.Context(), w.Default, w.Project.ID, request.Deletion, request.Queued, cursor)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page {
			got = append(got, r.ID)
		}
		if cursor = next; next == "" {
			break
		}
	}
	if len(got) != n || got[0] != ids[n-1] || got[n-1] != ids[0] {
		t.Errorf("%d requests, want %d", len(got), n)
	}
	if none, _, err := request.List(t.Context(), w.Default, w.Project.ID, request.Deletion, request.Done, ""); err != nil || len(none) > 0 {
		t.Error(none, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for ctx, want := range map[context.Context]fault.Kind{t.Context(): fault.Invalid, ended: fault.Unavailable} {
		if _, _, err := request.List(ctx, w.Default, w.Project.ID, request.Export, "", ids[0]); fault.Of(err) != want {
			t.Errorf("another list's cursor: %v; want %s", err, want)
		}
	}
	if _, err := request.Get(t.Context(), w.Default, "other", ids[0], request.Deletion); fault.Of(err) != fault.NotFound {
		t.Errorf("another project's request: %v", err)
	}
	if _, err := request.Get(t.Context(), w.Default, w.Project.ID, ids[0], request.Export); fault.Of(err) != fault.NotFound {
		t.Errorf("as another kind: %v", err)
	}
}
