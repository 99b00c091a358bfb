package export_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/objects"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/request"
	"github.com/lethe-analytics/lethe/shared/topology"
)

// Of a request by an address that only the public token has written nothing is exported
// before somebody has confirmed who is meant; then exactly that person is.
func TestConfirm(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute, time.Minute)
	w.work()
	var ops []event.Op
	for i, id := range []string{"stranger", "victim"} {
		ops = append(ops, event.Op{DistinctID: id, Name: "$set", Value: `{"$email":"victim@example.com"}`, Received: event.Now(), Request: fmt.Sprint("r", i)})
	}
	w.Deliver(t, w.store, []event.Event{ev("stranger", "Secret", 1, "2026-01-01 10:00:00", `{}`), ev("victim", "Seen", 2, "2026-01-01 10:00:00", `{}`)}, ops...)
	ask := func(key string) string {
		t.Helper()
		r, err := request.Create(t.Context(), w.Default, w.Project, request.New{Kind: request.Export, Origin: request.API, IdempotencyKey: key,
			Find: []request.Identity{{Type: "email", Value: "victim@example.com", Format: request.Raw}}, Params: map[string]string{"format": "ndjson"}})
		if err != nil {
			t.Fatal(err)
		}
		pubs := request.Publishers{Tasks: queue.NewPublisher(w.ps, topology.TopicExports, 30*time.Second)}
		if err := pubs.Publish(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		return r.ID
	}
	empty := func(id string) {
		t.Helper()
		names, err := objects.Archive(t.Context(), w.bucket, w.Project.ID, id)
		if err != nil || len(names) > 0 {
			t.Errorf("got %d objects, %v, want none", len(names), err)
		}
	}
	confirmed, refused := ask("1"), ask("2")
	for _, id := range []string{confirmed, refused} {
		e := w.until(id, request.NeedsConfirmation)
		if got, want := fmt.Sprint(e.Hinted), "[{stranger [email]} {victim [email]}]"; got != want || e.Persons != 0 || e.URL != "" {
			t.Errorf("got the hints %s, %d persons, the link %q, want %s", got, e.Persons, e.URL, want)
		}
		empty(id)
	}
	w.call(http.MethodPost, "/v1/exports/"+confirmed+"/confirm", `{"distinct_ids":["victim"]}`, http.StatusOK, nil)
	e := w.until(confirmed, request.Done)
	for name, text := range w.archive(e) {
		if strings.Contains(text, "stranger") || strings.Contains(text, "Secret") {
			t.Errorf("%s: got something of the stranger, want just the victim's", name)
		}
	}
	if e.Persons != 1 || e.Contents.Events != 1 {
		t.Errorf("got %d persons and %d events, want one each", e.Persons, e.Contents.Events)
	}
	w.call(http.MethodPost, "/v1/exports/"+refused+"/refuse", "", http.StatusOK, &e)
	if e.Status != request.Cancelled || !strings.HasPrefix(e.Failure, "refused: ") {
		t.Errorf("got %+v, want a refusal", e)
	}
	empty(refused)
}
