package request_test

import (
	"context"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/request"
	"github.com/lethe-analytics/lethe/shared/topology"
	"github.com/lethe-analytics/lethe/shared/webhook"
)

// The end of a request is one event for the project's webhooks, however often it is told.
func TestWebhooks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pubs.Webhooks = queue.NewPublisher(w.ps, topology.TopicWebhooks, 30*time.Second)
	for _, events := range [][]string{{webhook.RequestDone, webhook.RequestFailed}, {webhook.RequestFailed}, {webhook.IncidentOpened}} {
		if _, err := webhook.Create(t.Context(), w.Default, w.Project.ID, "https://example.com", events, false); err != nil {
			t.Fatal(err)
		}
	}
	w.run(func(_ context.Context, s *request.Slice) (request.Outcome, error) {
		if s.Persons == 1 {
			return request.Outcome{Done: true}, nil
		}
		return request.Outcome{}, fault.New(fault.Conflict, "it cannot be")
	})
	good, bad := w.create(request.New{IDs: []string{"ann"}}), w.create(request.New{IDs: []string{"ann", "bob"}})
	w.publish(good)
	w.publish(bad)
	good, bad = w.until(good, request.Done), w.until(bad, request.Failed)
	for _, r := range []*request.Request{good, bad} {
		if err := w.pubs.Tell(t.Context(), w.Default, r); err != nil {
			t.Fatal(err)
		}
	}
	log, _, err := webhook.Log(t.Context(), w.Default, w.Project.ID, "")
	types := map[string]int{}
	for _, d := range log {
		types[d.Type]++
	}
	if err != nil || len(log) != 3 || types[webhook.RequestDone] != 1 || types[webhook.RequestFailed] != 2 {
		t.Errorf("%v %v", types, err)
	}
	if n, err := request.Since(t.Context(), w.Default, w.Project.ID, request.Deletion, good.Created.Add(-time.Minute)); err != nil || n != 2 {
		t.Errorf("%d made: %v", n, err)
	}
	if n, err := request.Since(t.Context(), w.Default, w.Project.ID, request.Export, good.Created.Add(-time.Minute)); err != nil || n != 0 {
		t.Errorf("%d made: %v", n, err)
	}
}
