package store_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/queue"
)

// says makes the operation that a person's SDK says consent with.
func says(id string, received event.Millis, state consent.State) event.Op {
	return event.Op{DistinctID: id, Name: person.ConsentOp, Value: fmt.Sprintf(`{"state":%q,"source":"sdk"}`, state), Received: received, Request: fmt.Sprint(received)}
}

// optIn makes the event of existing SDKs that grants consent.
func optIn(id string, received event.Millis) event.Event {
	e := ev(id, 0, received)
	e.Name, e.InsertID, e.OptIn = person.OptInEvent, fmt.Sprint("opt-in", received), true
	return e
}

func (s *system) optOut(id string) person.OptOut {
	s.t.Helper()
	snaps, err := s.Edge.GetAll(ctx, []*firestore.DocumentRef{person.OptOutRef(s.Edge, "app", s.key(id))})
	if err != nil {
		s.t.Fatal(err)
	}
	o, err := person.ReadOptOut(snaps[0])
	if err != nil {
		s.t.Fatal(err)
	}
	return o
}

func (s *system) history(id string) []person.Consent {
	s.t.Helper()
	all, _, err := person.Consents(ctx, s.Default, "app", s.key(id), "", 100)
	if err != nil {
		s.t.Fatal(err)
	}
	return all
}

// Consent that comes in a batch is set before the batch is judged by it; delivered
// again, it changes nothing.
func TestConsentFromSDKs(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ids := []string{"ann", "a/b//☕", strings.Repeat("é", 127) + "x"}
	for _, id := range ids {
		denied := ev(id, 1, t0)
		payload := append(batch(denied), opBatch(says(id, t0, consent.Denied), event.Op{DistinctID: id, Name: "$set", Value: `{"a":1}`, Received: t0, Request: "r"})...)
		for range 2 {
			s.deliver(payload)
			if got, _ := s.stored(id); len(got) > 0 {
				t.Errorf("%q: denied, but stored: %v", id, got)
			}
		}
		if d, o := s.doc(id), s.optOut(id); d.Consent.State != consent.Denied || d.Consent.Source != "sdk" || !d.Consent.At.Equal(t0.Time()) || d.DistinctID != "" || o.State != consent.Denied {
			t.Errorf("%q: %+v %+v", id, d, o)
		}
		s.deliver(opBatch(says(id, t0+10, consent.Granted))) // nothing else in the batch
		s.deliver(batch(ev(id, 2, t0+11)))
		s.deliver(payload) // once more, late
		s.deliver(opBatch(says(id, t0+5, consent.Denied)))
		if d, o := s.doc(id), s.optOut(id); d.Consent.State != consent.Granted || d.Consent.Basis != "consent" || o.State != consent.Granted {
			t.Errorf("%q: %+v %+v", id, d, o)
		}
		if got, _ := s.stored(id); !slices.Contains(got, "i2") {
			t.Errorf("%q: %v", id, got)
		}
		if got := s.history(id); len(got) != 3 || !got[0].At.Equal((t0 + 10).Time()) || !got[2].At.Equal(t0.Time()) {
			t.Errorf("%q: %+v", id, got)
		}
		ops, err := s.ref(id).Collection("ops").Documents(ctx).GetAll()
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range ops {
			err := event.Unpack(d.Data()["data"].([]byte), nil, func(o *event.Op) error {
				if o.Name == person.ConsentOp {
					t.Error("consent is stored as an operation on the profile")
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Ingest whose cache is stale lets a denied person's events through; store does not.
func TestDeniedStopsAtStore(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.deliver(batch(ev("ann", 1, t0)))
	if _, _, err := person.SetConsent(ctx, s.Databases, "app", s.key("ann"), person.Consent{State: consent.Denied, At: (t0 + 1).Time()}); err != nil {
		t.Fatal(err)
	}
	s.deliver(batch(ev("ann", 2, t0+2), ev("bob", 3, t0+2)))
	if got, _ := s.stored("ann"); !slices.Equal(got, []string{"i1"}) {
		t.Error(got)
	}
	if got, _ := s.stored("bob"); len(got) != 1 {
		t.Error(got)
	}
}

// In a project whose default is denied, $opt_in grants: it is stored and so is
// what follows, in the same batch and later.
func TestOptInEvent(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	unset := func(id string, i int, received event.Millis) event.Event {
		e := ev(id, i, received)
		e.OptIn = true
		return e
	}
	s.deliver(batch(unset("ann", 1, t0)))
	payload := batch(optIn("ann", t0+1), optIn("ann", t0+1), unset("ann", 2, t0+1), unset("bob", 3, t0+1), optIn("", t0+1))
	for range 2 {
		s.deliver(payload)
	}
	s.deliver(batch(unset("ann", 4, t0+2)))
	if got, _ := s.stored("ann"); !slices.Equal(got, []string{"i2", "i4", fmt.Sprint("opt-in", t0+1)}) {
		t.Error(got)
	}
	for _, id := range []string{"bob", ""} {
		if got, _ := s.stored(id); len(got) > 0 {
			t.Errorf("%q: %v", id, got)
		}
	}
	if got := s.history("ann"); len(got) != 1 || got[0].State != consent.Granted || got[0].Source != "$opt_in" {
		t.Errorf("%+v", got)
	}
	if o := s.optOut("ann"); o.State != consent.Granted {
		t.Errorf("%+v", o)
	}
	if snap, err := s.ref("").Get(ctx); err == nil && snap.Exists() {
		t.Error("nobody has consented")
	}
}

// What was said up to an erasure is dropped as events are.
func TestConsentUpToTheFence(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	if _, err := s.ref("ann").Set(ctx, person.Doc{ErasedAt: t0.Time(), Consent: person.Consent{State: consent.Denied, At: t0.Time()}}); err != nil {
		t.Fatal(err)
	}
	s.deliver(append(batch(optIn("ann", t0-1)), opBatch(says("ann", t0, consent.Granted))...))
	if d := s.doc("ann"); d.Consent.State != consent.Denied || d.DistinctID != "" {
		t.Errorf("%+v", d)
	}
	if got := s.history("ann"); len(got) > 0 {
		t.Errorf("%+v", got)
	}
	s.deliver(append(batch(ev("ann", 1, t0+1)), opBatch(says("ann", t0+1, consent.Granted))...))
	if got, _ := s.stored("ann"); len(got) != 1 {
		t.Error(got)
	}
}

// Many persons of one message consent.
func TestManyConsents(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	const n = 100
	var payload []byte
	for i := range n {
		payload = append(payload, opBatch(says(fmt.Sprint("p", i), t0, consent.Denied))...)
		payload = append(payload, batch(ev(fmt.Sprint("p", i), i, t0+1))...)
	}
	s.deliver(payload)
	for _, i := range []int{0, n / 2, n - 1} {
		id := fmt.Sprint("p", i)
		if got, _ := s.stored(id); len(got) > 0 || s.doc(id).Consent.State != consent.Denied {
			t.Errorf("%s: %v", id, got)
		}
	}
}

func TestDamagedConsent(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	for _, value := range []string{`{`, `{"state":"maybe"}`} {
		o := says("ann", t0, consent.Denied)
		o.Value = value
		if code := s.push(event.Pack(append(batch(ev("ann", 1, t0)), opBatch(o)...)), map[string]string{queue.AttrProject: "app"}); code != http.StatusNoContent {
			t.Errorf("not parked: %d", code)
		}
	}
	if got, _ := s.stored("ann"); len(got) > 0 {
		t.Error(got)
	}
}
