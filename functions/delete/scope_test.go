package erase_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/profile"
	"github.com/lethe-analytics/lethe/shared/receipt"
	"github.com/lethe-analytics/lethe/shared/request"
)

// said notes a consent as it was said of an identity.
func (w *world) said(id string, state consent.State, at time.Time) {
	w.t.Helper()
	_, spread, err := person.SetConsent(w.t.Context(), w.Databases, w.Project.ID, w.personKey(id), person.Consent{State: state, At: at})
	if err == nil && spread {
		_, err = person.SpreadOptOuts(w.t.Context(), w.Databases, w.Project.ID, w.personKey(id), func() bool { return true })
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// edge is what ingest knows of an identity's consent.
func (w *world) edge(id string) consent.State {
	w.t.Helper()
	snaps, err := w.Edge.GetAll(w.t.Context(), []*firestore.DocumentRef{person.OptOutRef(w.Edge, w.Project.ID, w.personKey(id))})
	if err != nil {
		w.t.Fatal(err)
	}
	o, err := person.ReadOptOut(snaps[0])
	if err != nil {
		w.t.Fatal(err)
	}
	return o.State
}

// newFamily makes a user with two devices: operations and statements of all three.
func newFamily(t *testing.T) *world {
	w := newWorld(t, time.Minute)
	for n, id := range []string{"bob", "$device:1", "$device:2"} {
		w.Deliver(t, w.store, []event.Event{ev(id, "Seen", n, `{"email":"x","plan":"free"}`)}, op(id, n, "$set", fmt.Sprintf(`{"p%d":1,"email":"x%d"}`, n, n)))
		w.said(id, consent.Granted, ago(time.Duration(60-n)*time.Minute))
	}
	w.link("$device:1", "bob", ago(10*time.Minute))
	w.link("$device:2", "bob", ago(9*time.Minute))
	return w
}

// The name of a device erases the device: its user keeps the rest, with a profile and a
// consent to which the device has said nothing.
func TestEraseDevice(t *testing.T) {
	t.Parallel()
	w := newFamily(t)
	w.work()
	w.said("bob", consent.Denied, ago(70*time.Minute))
	w.said("$device:1", consent.Granted, ago(time.Second))
	if d := w.doc("bob"); d.Consent.State != consent.Granted || d.Profile != `{"email":"x2","p0":1,"p1":1,"p2":1}` {
		t.Fatalf("before: %+v", d)
	}
	id := w.ask(`{"distinct_ids":["$device:2"]}`).ID
	w.until(id, request.Done)
	s := w.receipt(id).Subjects
	if len(s) != 1 || s[0].Scope != receipt.ScopeIdentity || s[0].Person != w.personKey("bob") || s[0].Link == nil || s[0].Link.To != s[0].Person || len(s[0].Identities) != 0 {
		t.Errorf("got %+v", s)
	}
	if all, d := w.texts("$device:2"), w.doc("$device:2"); len(all) > 0 || d.Link != nil || d.DistinctID != "" {
		t.Errorf("of the device %v is left, %+v", all, d)
	}
	if d := w.doc("bob"); d.Profile != `{"email":"x1","p0":1,"p1":1}` || d.DistinctID != "bob" || len(w.texts("bob"))+len(w.texts("$device:1")) != 4 {
		t.Errorf("the user: %+v", d)
	}
	// The other device's grants go with it: what bob has said stands.
	w.until(w.ask(`{"distinct_ids":["$device:1"]}`).ID, request.Done)
	d := w.doc("bob")
	if said := d.Said; len(said) != 2 || slices.ContainsFunc(said, func(c person.Consent) bool { return c.Under != w.personKey("bob") }) || d.Profile != `{"email":"x0","p0":1}` {
		t.Errorf("the user: %+v", d)
	}
	if got := w.edge("$device:1"); got != consent.Unset {
		t.Errorf("the edge has %s of the device, want %s", got, consent.Unset)
	}
}

// A denial that was said of a device stays with the user when the device is erased, and
// with the device; a grant goes, at the edge too.
func TestEraseDeviceConsent(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ said, user, device consent.State }{
		{consent.Denied, consent.Denied, consent.Denied},
		{consent.Granted, consent.Unset, consent.Unset},
	} {
		t.Run(string(c.said), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, time.Minute)
			w.work()
			w.seen("bob", "$device:1", "$device:2")
			w.link("$device:1", "bob", ago(10*time.Minute))
			w.link("$device:2", "bob", ago(10*time.Minute))
			w.said("$device:1", c.said, ago(time.Minute))
			w.until(w.ask(`{"distinct_ids":["$device:1"]}`).ID, request.Done)
			for id, want := range map[string]consent.State{"bob": c.user, "$device:2": c.user, "$device:1": c.device} {
				if got := w.edge(id); got != want {
					t.Errorf("the edge has %s of %s, want %s", got, id, want)
				}
			}
			for id, want := range map[string]consent.State{"bob": c.user, "$device:1": c.device} {
				if got := w.doc(id).Consent.State; got != want && (got != "" || want != consent.Unset) {
					t.Errorf("%s: got %s, want %s", id, got, want)
				}
			}
		})
	}
}

// Asked for by scope, the person is erased, whoever is named; a user who was merged into
// another is the person without that. Of two who are named of one person, the first lists
// the others.
func TestEraseScopePerson(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"a device": `{"distinct_ids":["$device:1"],"scope":"person"}`,
		"two":      `{"distinct_ids":["$device:1","$device:2"],"scope":"person"}`,
		"a user":   `{"distinct_ids":["bobby"]}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newFamily(t)
			w.work()
			w.seen("bobby", "$device:bobby")
			w.link("$device:bobby", "bobby", ago(8*time.Minute))
			w.linkByKey("bobby", "bob", ago(7*time.Minute))
			asked := w.ask(body)
			if d := w.until(asked.ID, request.Done); (d.Scope != "") != strings.Contains(body, "scope") {
				t.Errorf("got %+v", d)
			}
			n := 0
			for _, s := range w.receipt(asked.ID).Subjects {
				if n += 1 + len(s.Identities); s.Scope != receipt.ScopePerson || s.Person != w.personKey("bob") {
					t.Errorf("got %+v", s)
				}
			}
			for _, id := range []string{"bob", "bobby", "$device:1", "$device:2", "$device:bobby"} {
				if all, d := w.texts(id), w.doc(id); len(all) > 0 || d.Profile != "" || d.Link != nil || d.DistinctID != "" {
					t.Errorf("of %s %v is left, %+v", id, all, d)
				}
				if n--; w.edge(id) != consent.Unset {
					t.Errorf("the edge has %s of %s", w.edge(id), id)
				}
			}
			if n != 0 {
				t.Errorf("the receipt lists %d identities too many", n)
			}
		})
	}
}

// A property goes from all identities of a person, and from the profile that is folded of
// them; named by a device, from the device alone. Later links bring theirs under it.
func TestEraseSingleOfIdentities(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body, profile string
		changed       int
		left          []string
	}{
		"the user":   {`{"distinct_ids":["bob"],"properties":["email"]}`, `{"p0":1,"p1":1,"p2":1}`, 3, nil},
		"the person": {`{"distinct_ids":["$device:2"],"scope":"person","properties":["email"]}`, `{"p0":1,"p1":1,"p2":1}`, 3, nil},
		"the device": {`{"distinct_ids":["$device:2"],"properties":["email"]}`, `{"email":"x1","p0":1,"p1":1,"p2":1}`, 1, []string{"bob", "$device:1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newFamily(t)
			w.Deliver(t, w.store, []event.Event{ev("$device:late", "Seen", 9, `{"email":"x","plan":"free"}`)})
			w.work()
			id := w.ask(c.body).ID
			w.until(id, request.Done)
			if s := w.receipt(id).Stores; s.Events.Changed != c.changed || s.Operations.Changed != c.changed || s.Profiles.Changed != 1 {
				t.Errorf("got %+v, want %d events", s, c.changed)
			}
			if got := w.doc("bob").Profile; got != c.profile {
				t.Errorf("the profile is %s, want %s", got, c.profile)
			}
			w.link("$device:late", "bob", ago(8*time.Minute))
			for _, id := range []string{"bob", "$device:1", "$device:2", "$device:late"} {
				want := slices.Contains(c.left, id) || id == "$device:late" && len(c.left) > 0
				if got := strings.Contains(strings.Join(w.texts(id), ""), "email"); got != want {
					t.Errorf("%s has the property: got %v, want %v", id, got, want)
				}
				if d := w.doc(id); d.ErasedAt != (time.Time{}) || id != "bob" && d.Link == nil {
					t.Errorf("%s: %+v", id, d)
				}
			}
			if docs, err := w.personRef("bob").Collection(profile.Collection).Documents(t.Context()).GetAll(); err != nil || len(docs) != 1 {
				t.Errorf("got %d documents of operations, %v, want 1", len(docs), err)
			}
		})
	}
}
