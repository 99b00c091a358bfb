package incident_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/firestore"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/functions/incident"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/topology"
	"github.com/lethe-analytics/lethe/shared/webhook"
)

// receiver is a customer's endpoint. Answer, if not nil, makes its status of the number
// of calls so far, this one included.
type receiver struct {
	*httptest.Server
	t      *testing.T
	answer func(calls int) int

	mu      sync.Mutex
	calls   int
	ids     map[string]bool // webhook-id
	types   []string        // of what it took
	headers http.Header     // of the last call
	body    []byte
}

func (w *world) receiver(answer func(int) int) *receiver {
	r := &receiver{t: w.t, answer: answer, ids: map[string]bool{}}
	r.Server = httptest.NewServer(r)
	w.t.Cleanup(r.Close)
	return r
}

// ServeHTTP implements http.Handler.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	var event struct {
		Type      string
		Timestamp time.Time
		Data      map[string]any
	}
	if err == nil {
		err = json.Unmarshal(body, &event)
	}
	if err != nil || req.Method != http.MethodPost || req.Header.Get("Content-Type") != "application/json" || event.Timestamp.IsZero() || len(event.Data) == 0 {
		r.t.Errorf("%v %s %s", err, req.Method, body)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls++
	r.ids[req.Header.Get("webhook-id")], r.headers, r.body = true, req.Header, body
	code := http.StatusNoContent
	if r.answer != nil {
		code = r.answer(r.calls)
	}
	if code < 300 {
		r.types = append(r.types, event.Type)
	}
	w.Header().Set("Location", r.URL+"/elsewhere")
	w.WriteHeader(code)
}

// got are the types of what it took.
func (r *receiver) got() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.types)
}

func (r *receiver) count() (calls, ids int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.calls, len(r.ids)
}

// verify holds the last call against a secret.
func (r *receiver) verify(secret string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	w, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		return err
	}
	return w.Verify(r.body, r.headers)
}

// endpoint makes one.
func (w *world) endpoint(url string, events ...string) (e incident.Endpoint) {
	w.t.Helper()
	b, err := json.Marshal(map[string]any{"url": url, "events": events})
	if err != nil {
		w.t.Fatal(err)
	}
	w.do(http.StatusCreated, "POST", "/v1/webhooks", w.Key, string(b), &e)
	return e
}

// keyed opens an incident with an Idempotency-Key.
func (w *world) keyed(key, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(w.t.Context(), "POST", "/v1/incidents", strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+w.staff)
	r.Header.Set("Idempotency-Key", key)
	rec := httptest.NewRecorder()
	local.Serve(w.handler, rec, r)
	return rec
}

// send sends an event to the project's endpoints.
func (w *world) send(id string) {
	w.t.Helper()
	n, err := webhook.Send(w.t.Context(), w.Default, queue.NewPublisher(w.ps, topology.TopicWebhooks, 30*time.Second),
		webhook.Event{ID: id, Project: "app", Type: webhook.RequestDone, Data: map[string]string{"id": id}})
	if err != nil || n == 0 {
		w.t.Fatal(n, err)
	}
}

// deliver pushes the delivery of an event to an endpoint.
func (w *world) deliver(event string, e incident.Endpoint) {
	w.t.Helper()
	w.deliverTask(fmt.Appendf(nil, `{"project":"app","delivery":"%s.%s"}`, event, e.ID))
}

func (w *world) deliverTask(data []byte) {
	w.t.Helper()
	if code := w.Push(w.t.Context(), w.t, w.hooks, data); code != http.StatusNoContent {
		w.t.Fatalf("%d to %s", code, data)
	}
}

// again makes a delivery due.
func (w *world) again(event string, e incident.Endpoint, changes ...firestore.Update) {
	w.t.Helper()
	changes = append(changes, firestore.Update{Path: "next", Value: time.Now().Add(-time.Second)})
	if _, err := w.Default.Doc("projects/app/deliveries/"+event+"."+e.ID).Update(w.t.Context(), changes); err != nil {
		w.t.Fatal(err)
	}
}

// log reads the newest deliveries.
func (w *world) log() []incident.Delivery {
	w.t.Helper()
	var page struct{ Deliveries []incident.Delivery }
	w.do(http.StatusOK, "GET", "/v1/webhooks/deliveries", w.Key, "", &page)
	return page.Deliveries
}
