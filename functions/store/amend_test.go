package store_test

import (
	"fmt"
	"testing"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/amend"
	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/profile"
)

// amendments puts amendments on a person's document, made at t0+10.
func (s *system) amendments(id string, as ...amend.Amendment) {
	s.t.Helper()
	for i := range as {
		as[i].At, as[i].Request = (t0 + 10).Time(), "q"
	}
	if _, err := s.ref(id).Set(ctx, map[string]any{"amendments": as}, firestore.MergeAll); err != nil {
		s.t.Fatal(err)
	}
}

// texts lists the properties of a person's stored events and operations.
func (s *system) texts(id string) map[string]int {
	s.t.Helper()
	all := map[string]int{}
	for _, name := range []string{chunk.Collection, profile.Collection} {
		docs, err := s.ref(id).Collection(name).Documents(ctx).GetAll()
		if err != nil {
			s.t.Fatal(err)
		}
		for _, d := range docs {
			err := event.Unpack(d.Data()["data"].([]byte), func(e *event.Event) error { all[e.Name+e.Properties]++; return nil },
				func(o *event.Op) error { all[o.Name+o.Value]++; return nil })
			if err != nil {
				s.t.Fatal(err)
			}
		}
	}
	return all
}

// What was received at or before an amendment is stored amended, whenever it is
// delivered; what came after is stored as it came.
func TestAmendedOnArrival(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.amendments("ann", amend.Amendment{Properties: []string{"gone.$x"}}, amend.Amendment{Events: []string{"Never"}},
		amend.Amendment{Where: `properties["i"] == 1`, Set: `{"i":"one"}`}, amend.Amendment{Profile: []string{"email"}})
	with := func(id string, i int, received event.Millis, name, props string) event.Event {
		e := ev(id, i, received)
		e.Name, e.Properties = name, props
		return e
	}
	events := []event.Event{
		with("ann", 1, t0+10, "Seen", `{"i":1,"gone.\u0024x":1}`), with("ann", 2, t0, "Seen", `{"i":2,"gone.$x":1}`), with("ann", 3, t0, "Never", `{"i":3}`),
		with("ann", 4, t0+11, "Never", `{"i":1,"gone.$x":1}`), with("bob", 5, t0, "Never", `{"i":1,"gone.$x":1}`), with("", 6, t0, "Never", `{"i":1,"gone.$x":1}`),
	}
	ops := []event.Op{
		op("r", 0, t0, "$set", `{"email":"x","gone.$x":1}`), op("r", 1, t0, "$add", `{"n":1,"gone.$x":1}`), op("r", 2, t0+11, "$set_once", `{"email":"y"}`),
	}
	payload := append(batch(events...), opBatch(ops...)...)
	want := map[string]int{`Seen{"i":"one"}`: 1, `Seen{"i":2}`: 1, `Never{"i":1,"gone.$x":1}`: 1, `$set{}`: 1, `$add{"n":1}`: 1, `$set_once{"email":"y"}`: 1}
	for i := range 3 {
		s.deliver(payload)
		if got := s.texts("ann"); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("delivery %d: %v", i, got)
		}
		if got := s.doc("ann").Profile; got != `{"email":"y","n":1}` {
			t.Errorf("delivery %d: %s", i, got)
		}
	}
	for _, id := range []string{"bob", ""} {
		if got := s.texts(id); len(got) != 1 || got[`Never{"i":1,"gone.$x":1}`] != 1 {
			t.Errorf("%q: %v", id, got)
		}
	}
}

// A batch of which nothing is left makes no person and no document.
func TestAmendedToNothing(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.amendments("ann", amend.Amendment{Events: []string{"Seen"}}, amend.Amendment{Properties: []string{"a"}})
	s.deliver(append(batch(ev("ann", 1, t0)), opBatch(op("r", 0, t0, "$set", `{"a":1}`), op("r", 1, t0, "$unset", `["a"]`))...))
	if got, doc := s.texts("ann"), s.doc("ann"); len(got) > 0 || doc.DistinctID != "" || doc.Profile != "" || len(doc.Amendments) != 2 {
		t.Errorf("%v %+v", got, doc)
	}
}

// An amendment that cannot be read stops the batch, and loses nothing.
func TestDamagedAmendment(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.amendments("ann", amend.Amendment{Where: "(", Set: `{"a":1}`})
	if code := s.push(event.Pack(batch(ev("ann", 1, t0))), map[string]string{"project": "app"}); code != 503 {
		t.Error(code)
	}
	if got := s.texts("ann"); len(got) > 0 {
		t.Error(got)
	}
}
