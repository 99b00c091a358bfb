package local

// This file is for tests, of any package.

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"cloud.google.com/go/pubsub/v2"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/topology"
)

// Work has a handler work on a function's subscription until the test ends.
func (n *Tenant) Work(t testing.TB, ps *pubsub.Client, topic, function string, h http.Handler) {
	t.Helper()
	server := httptest.NewServer(h)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		(&Relay{Client: ps, URL: server.URL, Subscription: SubscriptionName(n.Config.Project, topology.PushSubscription(topic, function))}).Run(ctx)
	})
	t.Cleanup(func() { cancel(); running.Wait(); server.Close() })
}

// Drain gives a worker what has been published to its topic, one message after the other,
// until that is all.
func (n *Tenant) Drain(t testing.TB, ps *pubsub.Client, topic, function string, h http.Handler) {
	t.Helper()
	last := rand.Text() // the emulator keeps the order of what it has taken
	if _, err := ps.Publisher(topic).Publish(t.Context(), &pubsub.Message{Attributes: map[string]string{"last": last}}).Get(t.Context()); err != nil {
		t.Fatal(err)
	}
	for {
		for _, m := range n.Pull(t, ps, topology.PushSubscription(topic, function), 1) {
			if m.Attributes["last"] == last {
				return
			}
			for code := 0; code != http.StatusNoContent; {
				if code = n.push(t.Context(), t, h, m.MessageId, m.Data, m.Attributes); code != http.StatusNoContent && code != http.StatusServiceUnavailable {
					t.Fatalf("%s answers %d", function, code)
				}
			}
		}
	}
}

// Push gives a worker one delivery of a message of the tenant's project and returns
// the status of its answer.
func (n *Tenant) Push(ctx context.Context, t testing.TB, h http.Handler, data []byte) int {
	t.Helper()
	return n.push(ctx, t, h, "m", data, map[string]string{queue.AttrProject: n.Project.ID})
}

func (n *Tenant) push(ctx context.Context, t testing.TB, h http.Handler, id string, data []byte, attributes map[string]string) int {
	t.Helper()
	body, err := json.Marshal(map[string]any{"message": map[string]any{"data": data, "messageId": id, "attributes": attributes}})
	if err != nil {
		t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequestWithContext(ctx, http.MethodPost, "/", bytes.NewReader(body)))
	return rec.Code
}

// Payload packs events and operations as they travel.
func Payload(events []event.Event, ops ...event.Op) []byte {
	var payload []byte
	for i := range events {
		payload = event.AppendEvent(payload, &events[i])
	}
	for i := range ops {
		payload = event.AppendOp(payload, &ops[i])
	}
	return event.PackFast(payload)
}

// Deliver gives the store function a message until it is acknowledged.
func (n *Tenant) Deliver(t testing.TB, store http.Handler, events []event.Event, ops ...event.Op) {
	t.Helper()
	data := Payload(events, ops...)
	for range topology.MaxDeliveries {
		switch code := n.Push(t.Context(), t, store, data); code {
		case http.StatusNoContent:
			return
		case http.StatusServiceUnavailable:
		default:
			t.Fatalf("store answers %d", code)
		}
	}
	t.Fatal("store does not acknowledge")
}

// Call makes a request with an API key. It is held against the description of the API
// (Serve).
func Call(ctx context.Context, h http.Handler, method, path, key, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(ctx, method, path, strings.NewReader(body))
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	rec := httptest.NewRecorder()
	Serve(h, rec, r)
	return rec
}
