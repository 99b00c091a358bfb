package store_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/person"
)

// What came before an erasure of either does not link; what comes after does.
func TestLinksAndTheFence(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	for _, id := range []string{"ann", "device"} {
		if _, err := s.ref(id).Set(ctx, map[string]any{"erased_at": t0.Time()}); err != nil {
			t.Fatal(err)
		}
	}
	props := func(id string) string { return fmt.Sprintf(`{"$anon_id":%q}`, id) }
	s.deliver(batch(identify(1, "$identify", "ann", props("x"), t0), identify(2, "$identify", "bob", props("device"), t0)))
	if got := s.cluster("bob"); !slices.Equal(got, []string{"bob"}) {
		t.Errorf("%v", got)
	}
	if d := s.doc("ann"); d.Head != "" || len(d.Linked) > 0 || d.DistinctID != "" {
		t.Errorf("%+v", d)
	}
	s.deliver(batch(identify(3, "$identify", "bob", props("device"), t0+1)))
	if got := s.cluster("bob"); !slices.Equal(got, []string{"bob", "device"}) {
		t.Errorf("%v", got)
	}
	if d := s.doc("device"); !d.ErasedAt.Equal(t0.Time()) || !d.FirstSeen.Equal((t0 + 1).Time()) || d.Head != s.key("bob") {
		t.Errorf("%+v", d)
	}
}

// The newest consent and the earliest restriction of any are those of all.
func TestConsentOfLinked(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	at := func(days int) time.Time { return t0.Time().AddDate(0, 0, days) }
	put := func(id string, d person.Doc) {
		t.Helper()
		d.DistinctID = id
		if _, err := s.ref(id).Set(ctx, d); err != nil {
			t.Fatal(err)
		}
	}
	put("ann", person.Doc{Consent: person.Consent{State: consent.Granted, Purposes: map[string]consent.State{"ads": consent.Granted}, At: at(1)}, Restriction: &person.Restriction{Since: at(2)}})
	put("device", person.Doc{Consent: person.Consent{State: consent.Granted, Purposes: map[string]consent.State{"mail": consent.Denied}, At: at(2)}, Restriction: &person.Restriction{Since: at(1), Reason: "r"}})
	edge := func(id string) (state string) {
		t.Helper()
		snap, err := person.OptOutRef(s.Edge, "app", s.key(id)).Get(ctx)
		if err != nil {
			t.Fatal(err)
		}
		state, _ = snap.Data()["state"].(string)
		return state
	}
	link := identify(1, "$identify", "ann", `{"$anon_id":"device"}`, t0)
	s.deliver(batch(link))
	for _, id := range []string{"ann", "device"} {
		d := s.doc(id)
		if !d.Consent.At.Equal(at(2)) || len(d.Consent.Purposes) != 1 || d.Consent.Purposes["mail"] != consent.Denied ||
			d.Restriction == nil || !d.Restriction.Since.Equal(at(1)) || edge(id) != "granted" {
			t.Errorf("%s: %+v %+v", id, d.Consent, d.Restriction)
		}
	}
	// What the edge lost is made good when the message comes again.
	if _, err := person.OptOutRef(s.Edge, "app", s.key("device")).Delete(ctx); err != nil {
		t.Fatal(err)
	}
	s.deliver(batch(link))
	if edge("device") != "granted" {
		t.Error("the edge is not told again")
	}
	// Who denied, and whose events are dropped, is linked with nobody by them.
	put("no", person.Doc{Consent: person.Consent{State: consent.Denied, At: at(3)}})
	s.deliver(batch(identify(2, "$identify", "no", `{"$anon_id":"ann"}`, t0)))
	if got := s.cluster("no"); !slices.Equal(got, []string{"no"}) {
		t.Errorf("%v", got)
	}
	// As the other side it takes its denial along.
	s.deliver(batch(identify(3, "$identify", "ann", `{"$anon_id":"no"}`, t0)))
	for _, id := range []string{"ann", "device", "no"} {
		if d := s.doc(id); d.Consent.State != consent.Denied || d.Restriction == nil || edge(id) != "denied" {
			t.Errorf("%s: %+v %s", id, d.Consent, edge(id))
		}
	}
}
