package erase_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/firestore"

	erase "github.com/lethe-analytics/lethe/functions/delete"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/request"
)

// What is running says how far it is.
func TestProgress(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute)
	asked := w.ask(`{"distinct_ids":["a"]}`)
	if _, err := request.Ref(w.Default, w.Project.ID, asked.ID).Update(t.Context(), []firestore.Update{
		{Path: "status", Value: request.Running}, {Path: "position", Value: `{"stage":"verify","stores":{"events":{"deleted":5,"changed":2}}}`},
	}); err != nil {
		t.Fatal(err)
	}
	var d erase.Deletion
	w.call(http.MethodGet, "/v1/deletions/"+asked.ID, "", http.StatusOK, &d)
	if d.Progress == nil || *d.Progress != (request.Progress{Stage: "verifying", Events: 7}) {
		t.Errorf("%+v", d.Progress)
	}
}

// An erasure of many goes through many slices, each ended early, and counts exactly.
func TestSlices(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Millisecond)
	var ids []string
	for p := range 130 {
		id := fmt.Sprint("p", p)
		ids = append(ids, fmt.Sprintf("%q", id))
		if p%10 == 0 {
			w.Deliver(t, w.store, []event.Event{ev(id, "Seen", 1, "{}"), ev(id, "Seen", 2, "{}")}, op(id, 0, "$set", `{"a":1}`))
			w.Deliver(t, w.store, []event.Event{ev(id, "Seen", 3, "{}")})
		}
	}
	asked := w.ask(`{"distinct_ids":[` + strings.Join(ids, ",") + `]}`)
	w.work()
	w.until(asked.ID, request.Done)
	r := w.receipt(asked.ID)
	if r.Stores.Events.Deleted != 39 || r.Stores.Operations.Deleted != 13 || r.Stores.Profiles.Deleted != 13 || len(r.Subjects) != 130 {
		t.Errorf("%+v", r.Stores)
	}
	stored, err := request.Get(context.Background(), w.Default, w.Project.ID, asked.ID, "")
	if err != nil || stored.Step < 10 {
		t.Errorf("%d slices, %v", stored.Step+1, err)
	}
}
