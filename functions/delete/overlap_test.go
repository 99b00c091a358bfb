package erase_test

import (
	"testing"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/request"
)

// What came between two fences is the later erasure's: the earlier one finishes without
// it, also while the later one has not begun to delete.
func TestEraseBeforeAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Nanosecond)
	between := ev("ann", "Seen", 1, "{}")
	between.Received = event.Now() + 60_000 // though the fence is slow to come
	w.Deliver(t, w.store, []event.Event{between})
	id := w.ask(`{"distinct_ids":["ann"]}`).ID
	w.slice(id)
	d, later := w.doc("ann"), between.Received.Time().Add(time.Second)
	var updates []firestore.Update
	for field, value := range d.Erase(later, false, &d) {
		updates = append(updates, firestore.Update{Path: field, Value: value})
	}
	if _, err := w.personRef("ann").Update(t.Context(), updates); err != nil {
		t.Fatal(err)
	}
	for range 50 {
		if w.slice(id).Status == request.Done {
			if len(w.texts("ann")) != 1 {
				t.Error("the earlier erasure has taken what came after it")
			}
			return
		}
	}
	t.Fatal("the earlier erasure does not finish")
}
