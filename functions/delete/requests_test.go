package erase_test

import (
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/shared/request"
)

// What a request holds that is personal goes, also of one that is still to be done.
func TestErasePrivate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute)
	w.work()
	ask := func(ids ...string) *request.Request {
		r, err := request.Create(t.Context(), w.Default, w.Project, request.New{
			Kind: request.Rectification, Origin: request.API, IDs: ids, Params: map[string]string{}, Private: map[string]string{"profile": "SECRET"}})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	left := func(r *request.Request) bool {
		r, err := request.Get(t.Context(), w.Default, w.Project.ID, r.ID, "")
		if err != nil {
			t.Fatal(err)
		}
		return r.Private != ""
	}
	own, other := ask("ann"), ask("bob")
	w.until(w.ask(`{"distinct_ids":["ann"]}`).ID, request.Done)
	if left(own) || !left(other) {
		t.Errorf("of the erased person something is left: %v; of another: %v", left(own), left(other))
	}
}
