package erase_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/request"
	"github.com/lethe-analytics/lethe/shared/topology"
)

// An erasure by an address that only the public token has written touches nobody before
// somebody has confirmed who is meant; then exactly that person is erased. Who is only
// hinted at, and erased meanwhile, is in no request any more.
func TestConfirm(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute)
	w.work()
	const set = `{"$email":"victim@example.com"}`
	w.Deliver(t, w.store, []event.Event{ev("stranger", "Secret", 1, `{}`), ev("victim", "Seen", 2, `{}`), ev("other", "Seen", 3, `{}`)},
		op("stranger", 1, "$set", set), op("victim", 2, "$set", set), op("other", 3, "$set", set))
	ask := func(key string) string {
		t.Helper()
		r, err := request.Create(t.Context(), w.Default, w.Project, request.New{Kind: request.Deletion, Origin: request.API, Whole: true, IdempotencyKey: key,
			Find: []request.Identity{{Type: "email", Value: "victim@example.com", Format: request.Raw}}, Params: map[string]string{}})
		if err != nil {
			t.Fatal(err)
		}
		pubs := request.Publishers{Tasks: queue.NewPublisher(w.ps, topology.TopicDeletions, 30*time.Second)}
		if err := pubs.Publish(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		return r.ID
	}
	before := map[string]string{"stranger": w.snapshot("stranger"), "victim": w.snapshot("victim")}
	confirmed, refused := ask("1"), ask("2")
	for _, id := range []string{confirmed, refused} {
		d := w.until(id, request.NeedsConfirmation)
		if got, want := fmt.Sprint(d.Hinted), "[{other [email]} {stranger [email]} {victim [email]}]"; got != want || d.Persons != 0 || d.Receipt != "" {
			t.Errorf("got the hints %s and %d persons, want %s and none", got, d.Persons, want)
		}
	}
	for id, want := range before {
		if got := w.snapshot(id); got != want {
			t.Errorf("%s, while it waits: got %s, want %s", id, got, want)
		}
	}
	w.until(w.ask(`{"distinct_ids":["other"]}`).ID, request.Done)
	w.call(http.MethodPost, "/v1/deletions/"+confirmed+"/confirm", `{"distinct_ids":["victim","other"]}`, http.StatusBadRequest, nil)
	w.call(http.MethodPost, "/v1/deletions/"+confirmed+"/confirm", `{"distinct_ids":["victim"]}`, http.StatusOK, nil)
	if d := w.until(confirmed, request.Done); d.Persons != 1 {
		t.Errorf("got %d persons, want 1", d.Persons)
	}
	if got := w.doc("victim"); got.DistinctID != "" || got.ErasedAt.IsZero() {
		t.Errorf("got %+v, want one who is erased", got)
	}
	if got := w.snapshot("stranger"); got != before["stranger"] {
		t.Errorf("the stranger: got %s, want %s", got, before["stranger"])
	}
	d := w.until(refused, request.NeedsConfirmation)
	if got, want := fmt.Sprint(d.Hinted), "[{stranger [email]}]"; got != want {
		t.Errorf("got the hints %s, want %s", got, want)
	}
	w.call(http.MethodPost, "/v1/deletions/"+refused+"/refuse", "", http.StatusOK, &d)
	if d.Status != request.Cancelled || !strings.HasPrefix(d.Failure, "refused: ") {
		t.Errorf("got %+v, want a refusal", d)
	}
}
