package person_test

import (
	"testing"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/identity"
	"github.com/lethe-analytics/lethe/shared/person"
)

// edgeOf is a tenant of whom ingest is told.
type edgeOf struct {
	*local.Tenant
	t *testing.T
}

func (e *edgeOf) key(id string) person.Key { return person.MakeKey(e.Project.Secret, id) }

func (e *edgeOf) say(id string, state consent.State, by event.Speaker, at time.Time) {
	e.t.Helper()
	c := person.Consent{State: state, Source: "test", By: by.String(), At: at}
	if _, _, err := person.SetConsent(e.t.Context(), e.Databases, "app", e.key(id), c); err != nil {
		e.t.Fatal(err)
	}
}

func (e *edgeOf) told(id string) (o person.OptOut, exists bool) {
	e.t.Helper()
	snaps, err := e.Edge.GetAll(e.t.Context(), []*firestore.DocumentRef{person.OptOutRef(e.Edge, "app", e.key(id))})
	if err != nil {
		e.t.Fatal(err)
	}
	if o, err = person.ReadOptOut(snaps[0]); err != nil {
		e.t.Fatal(err)
	}
	return o, snaps[0].Exists()
}

func (e *edgeOf) tellFilled(id string, bytes int) {
	e.t.Helper()
	if err := person.TellFilled(e.t.Context(), e.Edge, "app", []person.Key{e.key(id)}, bytes); err != nil {
		e.t.Fatal(err)
	}
}

// Ingest is told who has said no, so that a token's yes does not let it forget a key's no.
func TestOptOutSaysWho(t *testing.T) {
	t.Parallel()
	e := &edgeOf{local.NewTenant(t, nil), t}
	at := time.Date(2026, 2, 1, 12, 0, 0, 0, time.UTC)
	e.say("ann", consent.Denied, event.ByToken, at)
	if o, _ := e.told("ann"); o.State != consent.Denied || o.By != "token" || o.Locked() {
		t.Errorf("got %+v, want a token's denial", o)
	}
	e.say("ann", consent.Denied, event.ByKey, at.Add(time.Second))
	e.say("ann", consent.Granted, event.ByToken, at.Add(2*time.Second))
	if o, _ := e.told("ann"); o.State != consent.Denied || o.By != "key" || !o.Locked() {
		t.Errorf("got %+v, want the key's denial", o)
	}
	e.say("ann", consent.Granted, event.ByKey, at.Add(3*time.Second))
	if o, _ := e.told("ann"); o.State != consent.Granted || o.Locked() {
		t.Errorf("got %+v, want granted", o)
	}
}

// What was said under one identity is told of that one: who joins a device to a user
// learns nothing of the user.
func TestOptOutOfOwn(t *testing.T) {
	t.Parallel()
	e := &edgeOf{local.NewTenant(t, nil), t}
	at := time.Date(2026, 2, 1, 12, 0, 0, 0, time.UTC)
	e.say("bob", consent.Denied, event.ByToken, at)
	named := func(id string) person.Named { return person.Named{Key: e.key(id), DistinctID: id} }
	_, err := person.Connect(t.Context(), e.Databases, "app", person.Claim{Who: named("$device:x"), Whose: named("bob"), Said: identity.LinkDevice,
		Link: person.Link{By: "token", Event: "$identify", Received: at.Add(time.Second)}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := person.SpreadOptOuts(t.Context(), e.Databases, "app", e.key("bob"), func() bool { return true }); err != nil {
		t.Fatal(err)
	}
	if o, _ := e.told("$device:x"); o.State != consent.Denied || o.Own != "" {
		t.Errorf("got %+v of the device, want denied, and nothing of its own", o)
	}
	if o, _ := e.told("bob"); o.Own != consent.Denied {
		t.Errorf("got %+v of bob, want his own denial", o)
	}
	e.say("$device:x", consent.Granted, event.ByToken, at.Add(2*time.Second))
	if o, _ := e.told("$device:x"); o.State != consent.Granted || o.Own != consent.Granted {
		t.Errorf("got %+v of the device, want granted", o)
	}
	if o, _ := e.told("bob"); o.State != consent.Granted || o.Own != consent.Denied {
		t.Errorf("got %+v of bob, want granted, but not by his own word", o)
	}
}

// That a profile is full is told beside what was said of consent, and takes nothing of
// that away, nor makes any of it up.
func TestTellFilled(t *testing.T) {
	t.Parallel()
	e := &edgeOf{local.NewTenant(t, nil), t}
	at := time.Date(2026, 2, 1, 12, 0, 0, 0, time.UTC)
	e.say("ann", consent.Denied, event.ByKey, at)
	for _, id := range []string{"ann", "bob"} {
		e.tellFilled(id, 1000)
	}
	if o, _ := e.told("ann"); !o.Locked() || o.Filled == nil || o.Filled.Bytes != 1000 || time.Since(o.Filled.At) > time.Minute {
		t.Errorf("got %+v of ann, want a key's denial and a full profile", o)
	}
	if o, _ := e.told("bob"); o.State != consent.Unset || o.Filled == nil {
		t.Errorf("got %+v of bob, want nothing said and a full profile", o)
	}
	e.say("ann", consent.Granted, event.ByKey, at.Add(time.Second))
	if o, _ := e.told("ann"); o.State != consent.Granted || o.Filled == nil {
		t.Errorf("got %+v of ann, want a full profile still", o)
	}
	for _, id := range []string{"ann", "bob", "cat"} {
		e.tellFilled(id, 0)
	}
	if o, _ := e.told("ann"); o.State != consent.Granted || o.Filled != nil {
		t.Errorf("got %+v of ann, want granted and room", o)
	}
	for _, id := range []string{"bob", "cat"} {
		if o, exists := e.told(id); exists {
			t.Errorf("got %+v of %s, want no document", o, id)
		}
	}
}
