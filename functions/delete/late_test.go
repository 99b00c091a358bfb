package erase_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/identity"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/request"
)

// fresh is an event of now.
func fresh(id, name string, n int) event.Event {
	e := ev(id, name, n, "{}")
	e.Received = event.Now()
	return e
}

// What was said before an erasure that somebody's device is, and arrives after it, brings
// the device under it: with those that were linked to it. What the device has done since
// stays, and so does a link since.
func TestEraseLateLink(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute)
	w.work()
	w.seen("bob", "$device:1", "$device:2", "$device:3")
	w.Deliver(t, w.store, nil, op("$device:1", 0, "$set", `{"email":"SECRET"}`))
	w.said("bob", consent.Denied, ago(time.Minute))
	w.until(w.ask(`{"distinct_ids":["bob"]}`).ID, request.Done)
	young := op("$device:1", 1, "$set", `{"plan":"free"}`)
	young.Received = event.Now()
	w.Deliver(t, w.store, []event.Event{fresh("$device:1", "Back", 7), fresh("$device:3", "Back", 8)}, young)

	w.link("$device:2", "bob", event.Now().Time())
	w.link("$device:1", "bob", ago(time.Minute))
	w.link("$device:2", "bob", ago(time.Minute))
	w.link("$device:3", "bob", ago(time.Minute))
	d := w.doc("$device:1")
	if all := w.texts("$device:1"); len(all) != 2 || !slices.ContainsFunc(all, func(s string) bool { return strings.HasPrefix(s, "Back") }) ||
		d.DistinctID != "$device:1" || d.Profile != `{"plan":"free"}` || d.Link != nil || d.ErasedAt.IsZero() {
		t.Errorf("of the device %v is left, %+v", all, d)
	}
	if all, d := w.texts("$device:3"), w.doc("$device:3"); len(all) != 1 || d.DistinctID != "$device:3" || d.ErasedAt.IsZero() {
		t.Errorf("of the device without a profile %v is left, %+v", all, d)
	}
	if d.Consent.State != consent.Denied || w.edge("$device:1") != consent.Denied {
		t.Errorf("the device's consent is %+v, and at the edge %s: want the person's denial", d.Consent, w.edge("$device:1"))
	}
	if all, d := w.texts("$device:2"), w.doc("$device:2"); len(all) > 0 || d.Link == nil || d.ErasedAt.IsZero() {
		t.Errorf("of the device that was linked again %v is left, %+v", all, d)
	}
}

// Whom a link that comes late brings under an erasure, they bring those who were linked to
// them by then.
func TestEraseLateMerge(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute)
	w.work()
	w.seen("bob", "bobby", "$device:1", "$device:later", "$device:maybe")
	w.link("$device:1", "bobby", ago(time.Hour))
	w.until(w.ask(`{"distinct_ids":["bob"]}`).ID, request.Done)
	w.link("$device:later", "bobby", event.Now().Time())
	w.connect("$device:maybe", "bobby", identity.LinkEither, person.Link{By: "token", Received: ago(time.Hour)})
	w.linkByKey("bobby", "bob", ago(time.Minute))
	for _, id := range []string{"bobby", "$device:1"} {
		if all, d := w.texts(id), w.doc(id); len(all) > 0 || d.ErasedAt.IsZero() || d.Link != nil || d.Pending != nil {
			t.Errorf("of %s %v is left, %+v", id, all, d)
		}
	}
	for _, id := range []string{"$device:later", "$device:maybe"} {
		if all, d := w.texts(id), w.doc(id); len(all) != 1 || !d.ErasedAt.IsZero() || d.Parent() == "" && id == "$device:later" {
			t.Errorf("of %s %v is left, %+v", id, all, d)
		}
	}
}
