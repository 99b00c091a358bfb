package erase_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/amend"
	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/request"
)

// What an instance whose clock is ahead has received stands in one chunk, and in one
// document of operations, with what came before the fence: only that goes, and
// deliveries of the rest count once.
func TestEraseClockAhead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute)
	ahead := event.Now() + 60_000
	events := []event.Event{ev("ann", "Seen", 1, "{}"), ev("ann", "Left", 2, "{}")}
	ops := []event.Op{op("ann", 0, "$add", `{"visits":1}`), op("ann", 1, "$add", `{"visits":1}`)}
	events[1].Received, ops[1].Received = ahead, ahead
	w.Deliver(t, w.store, events, ops...)
	granted := person.Consent{State: consent.Granted, Source: "form", At: ahead.Time()}
	if _, _, err := person.SetConsent(t.Context(), w.Databases, w.Project.ID, w.personKey("ann"), granted); err != nil {
		t.Fatal(err)
	}
	w.work()
	w.until(w.ask(`{"distinct_ids":["ann"]}`).ID, request.Done)
	for range 2 {
		all := w.texts("ann")
		if n := slices.IndexFunc(all, func(s string) bool { return s == "Seen i1 {}" }); n >= 0 || !slices.Contains(all, "Left i2 {}") {
			t.Error(all)
		}
		if d := w.doc("ann"); d.Profile != `{"visits":1}` || d.Consent.State != consent.Granted || d.DistinctID != "ann" {
			t.Errorf("%+v", d)
		}
		w.Deliver(t, w.store, events, ops...)
	}
}

// What a rectification by an instance whose clock is ahead has put into the profile was
// there before the erasure: it goes, though it was received after what this clock says.
func TestEraseRectifiedAhead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute)
	w.work()
	w.Deliver(t, w.store, nil, op("ann", 0, "$set", `{"email":"x"}`))
	ahead := event.Now() + 60_000
	rectified := []amend.Amendment{{At: ahead.Time(), Request: "r", Profile: []string{"email"}}}
	if _, err := w.personRef("ann").Update(t.Context(), []firestore.Update{{Path: "amendments", Value: rectified}}); err != nil {
		t.Fatal(err)
	}
	w.Deliver(t, w.store, nil, event.Op{DistinctID: "ann", Name: "$set", Value: `{"email":"SECRET"}`, Received: ahead, Request: "r"})
	if p := w.doc("ann").Profile; p != `{"email":"SECRET"}` {
		t.Fatal(p)
	}
	w.until(w.ask(`{"distinct_ids":["ann"]}`).ID, request.Done)
	if s := w.snapshot("ann"); strings.Contains(s, "SECRET") || len(w.texts("ann")) > 0 {
		t.Errorf("%s %v", s, w.texts("ann"))
	}
}
