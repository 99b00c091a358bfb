package opendsr_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/functions/opendsr"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/request"
	"github.com/lethe-analytics/lethe/shared/topology"
)

// receiver is a controller's callback, which refuses the first calls of each status.
type receiver struct {
	*httptest.Server
	w      *world
	old    bool // expects version 1.0
	refuse int
	answer int // instead of 200

	mu    sync.Mutex
	calls map[string]int // by request and status
	taken []opendsr.Status
}

func (w *world) receiver(r *receiver) *receiver {
	r.w, r.calls = w, map[string]int{}
	r.Server = httptest.NewServer(http.HandlerFunc(r.receive))
	w.t.Cleanup(r.Close)
	return r
}

func (r *receiver) receive(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	var s opendsr.Status
	if err == nil {
		err = json.Unmarshal(body, &s)
	}
	if err != nil || req.Method != http.MethodPost || s.Callback != r.URL+req.URL.Path || req.Header.Get("Content-Type") != "application/json" {
		r.w.t.Errorf("%v %s %s", err, req.Method, body)
	}
	r.w.verify(req.Header, body, !r.old, r.old)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls[s.ID+s.Status]++
	switch {
	case r.calls[s.ID+s.Status] <= r.refuse:
		w.WriteHeader(http.StatusInternalServerError)
	case r.answer != 0:
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(r.answer)
	default:
		r.taken = append(r.taken, s)
	}
}

// statuses are those of a request that were taken, in their order.
func (r *receiver) statuses(id string) (all []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.taken {
		if s.ID == id {
			all = append(all, s.Status)
		}
	}
	return all
}

func (r *receiver) count(id, status string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.calls[id+status]
}

// within waits for something to hold.
func within(t *testing.T, what string, holds func() bool) {
	t.Helper()
	local.Eventually(t, 2*time.Minute, func() error {
		if !holds() {
			return errors.New(what)
		}
		return nil
	})
}

func done(context.Context, *request.Slice) (request.Outcome, error) {
	return request.Outcome{Done: true}, nil
}

// Each change of state is told, again and again to whom does not take it, and once to
// the others.
func TestCallbacks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good, flaky := w.receiver(&receiver{}), w.receiver(&receiver{refuse: 2})
	w.relay(topology.TopicCallbacks, "opendsr-worker", w.callbacks())
	id := newID()
	urls := []string{good.URL + "/a", flaky.URL + "/b"}
	w.answered(w.do("POST", "/requests", ask(id, map[string]any{"status_callback_urls": urls, "subject_request_type": "access"})), http.StatusCreated, &opendsr.Created{})
	within(t, "pending", func() bool { return slices.Contains(flaky.statuses(id), "pending") })
	w.work(done)
	within(t, "completed", func() bool { return slices.Contains(flaky.statuses(id), "completed") })
	if got := flaky.statuses(id); got[len(got)-1] != "completed" {
		t.Errorf("the last that was heard: %v", got)
	}
	if n := flaky.count(id, "completed"); n != 3 {
		t.Errorf("%d calls", n)
	}
	within(t, "completed", func() bool { return slices.Contains(good.statuses(id), "completed") })
	for _, status := range []string{"pending", "in_progress", "completed"} {
		if n := good.count(id, status); n > 1 || n == 0 && status != "in_progress" { // passed over if it is past
			t.Errorf("%d calls of %s", n, status)
		}
	}
	good.mu.Lock()
	defer good.mu.Unlock()
	last := good.taken[len(good.taken)-1]
	if last.ResultsURL != "https://api.example.com/v1/exports/"+id || *last.Results != 1 || last.Version != "2.0" || last.Controller != "app" {
		t.Errorf("%+v", last)
	}
}

// Version 1.0 has its own names in callbacks, and a cancellation is told too.
func TestCallbackOfOldVersion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.receiver(&receiver{old: true})
	w.relay(topology.TopicCallbacks, "opendsr-worker", w.callbacks())
	id := newID()
	w.answered(w.do("POST", "/opengdpr_requests", ask(id, map[string]any{"status_callback_urls": []string{r.URL + "/"}, "api_version": "1.0"})), http.StatusCreated, &opendsr.Created{})
	w.answered(w.do("DELETE", "/opengdpr_requests/"+id, ""), http.StatusAccepted, &opendsr.CancelTaken{})
	within(t, "cancelled", func() bool { return slices.Contains(r.statuses(id), "cancelled") })
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.taken {
		if s.Version != "1.0" {
			t.Errorf("%+v", s)
		}
	}
}

// push gives the worker a message and returns the status of its answer.
func (w *world) push(h http.Handler, e local.Envelope) int {
	w.t.Helper()
	body, err := json.Marshal(e)
	if err != nil {
		w.t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequestWithContext(w.t.Context(), http.MethodPost, "/", bytes.NewReader(body)))
	return rec.Code
}

// A message that Pub/Sub would soon give up is replaced by a new one, until a day has
// passed since the first. A redirect is not followed.
func TestCallbackGivenUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.receiver(&receiver{answer: http.StatusTemporaryRedirect})
	worker, id := w.callbacks(), newID()
	w.answered(w.do("POST", "/requests", ask(id, map[string]any{"status_callback_urls": []string{r.URL + "/"}})), http.StatusCreated, &opendsr.Created{})
	sub := topology.PushSubscription(topology.TopicCallbacks, "opendsr-worker")
	first := w.Pull(t, w.ps, sub, 1)[0]
	e := local.Envelope{DeliveryAttempt: 1, Message: local.EnvelopeMessage{Data: first.Data, PublishTime: time.Now().Add(-time.Hour), MessageID: "m"}}
	if code := w.push(worker, e); code != http.StatusServiceUnavailable {
		t.Errorf("%d at first", code)
	}
	e.DeliveryAttempt = topology.MaxDeliveries - 1
	if code := w.push(worker, e); code != http.StatusNoContent {
		t.Errorf("%d near the end", code)
	}
	next := w.Pull(t, w.ps, sub, 1)[0]
	since, err := time.Parse(time.RFC3339Nano, next.Attributes["since"])
	if err != nil || !since.Equal(e.Message.PublishTime) || !bytes.Equal(next.Data, first.Data) || next.Attributes[queue.AttrProject] != "app" {
		t.Errorf("%v %v", next, err)
	}
	e = local.Envelope{DeliveryAttempt: 1, Message: local.EnvelopeMessage{Data: next.Data, PublishTime: time.Now(), MessageID: "m",
		Attributes: map[string]string{"since": time.Now().Add(-opendsr.TryFor - time.Minute).Format(time.RFC3339Nano)}}}
	if code := w.push(worker, e); code != http.StatusNoContent {
		t.Errorf("%d after a day", code)
	}
	if n := r.count(id, "pending"); n != 3 {
		t.Errorf("%d calls: a redirect was followed, or a call is missing", n)
	}
}

// Only a change of state is worked on; one of a request that is not there is not.
func TestCallbackMessages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	worker := w.callbacks()
	bad := []string{"", "x", `{}`, `{"project":"a/b","request":"` + newID() + `","status":"done"}`,
		`{"project":"app","request":"` + newID() + `","status":"gone"}`, `{"project":"app","request":"` + newID() + `","status":"done"}`}
	for _, data := range bad {
		e := local.Envelope{DeliveryAttempt: 1, Message: local.EnvelopeMessage{Data: []byte(data), PublishTime: time.Now(), MessageID: "m"}}
		if code := w.push(worker, e); code != http.StatusNoContent {
			t.Errorf("%s: %d", data, code)
		}
	}
	for parked := 0; parked < len(bad); {
		parked += len(w.Pull(t, w.ps, topology.DeadTopic(topology.TopicCallbacks), 10))
	}
}
