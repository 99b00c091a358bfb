package store_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/identity"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/project"
)

// A link that was received before an erasure of the person brings the device's events
// under it; one that comes after does not.
func TestLinksAndTheFence(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.deliver(batch(ev("$device:a", 1, t0-2), ev("$device:a", 2, t0+2), ev("$device:b", 3, t0), ev("$device:c", 4, t0-2)))
	if _, err := s.ref("ann").Set(ctx, map[string]any{"erased_at": t0.Time()}); err != nil {
		t.Fatal(err)
	}
	link := func(n int, device string, received event.Millis) event.Event {
		return identify(n, "Seen", "$device:"+device, fmt.Sprintf(`{"$user_id":"ann","$device_id":%q}`, device), received)
	}
	// The fence drops the event of the user who is erased, and heeds what it says.
	late := identify(5, "$identify", "ann", `{"$anon_distinct_id":"$device:c"}`, t0-1)
	s.deliver(batch(link(1, "a", t0-1), link(2, "b", t0+1), late))
	s.link()
	if got, _ := s.stored("ann"); len(got) != 0 {
		t.Errorf("behind the fence, but stored: %v", got)
	}
	for device, want := range map[string][]string{"$device:a": {"i2"}, "$device:b": {"i3", "l2"}, "$device:c": nil} {
		if got, _ := s.stored(device); !slices.Equal(got, want) {
			t.Errorf("%s: events %v are stored, want %v", device, got, want)
		}
	}
	if got, want := s.members("ann"), []string{"$device:b", "ann"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if d := s.doc("$device:a"); d.Pending != nil {
		t.Errorf("still pending: %+v", d.Pending)
	}
}

// The consent of all identities is the person's, a restriction of any as well.
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
	granted := func(day int, purpose string) person.Consent {
		return person.Consent{State: consent.Granted, Purposes: map[string]consent.State{purpose: consent.Denied}, At: at(day)}
	}
	put("ann", person.Doc{Consent: granted(-3, "ads"), Restriction: &person.Restriction{Since: at(-2)}})
	put("$device:d", person.Doc{Consent: granted(-2, "mail"), Restriction: &person.Restriction{Since: at(-3), Reason: "r"}})
	put("$device:no", person.Doc{Consent: person.Consent{State: consent.Denied, At: at(-1)}})
	s.deliver(batch(identify(1, "$identify", "ann", `{"$anon_id":"$device:d"}`, t0)))
	s.link()
	d := s.doc("ann")
	if !d.Consent.At.Equal(at(-2)) || len(d.Consent.Purposes) != 1 || d.Consent.Purposes["mail"] != consent.Denied ||
		d.Restriction == nil || !d.Restriction.Since.Equal(at(-3)) || s.optOut("$device:d").State != consent.Granted {
		t.Errorf("the person: consent %+v, restriction %+v", d.Consent, d.Restriction)
	}
	if d := s.doc("$device:d"); d.Consent.State != "" || d.Restriction != nil {
		t.Errorf("the device has its own consent or restriction: %+v %+v", d.Consent, d.Restriction)
	}
	// A device that has said no takes its denial along, to all identities.
	s.deliver(batch(identify(3, "$identify", "ann", `{"$anon_id":"$device:no"}`, t0)))
	s.link()
	if d := s.doc("ann"); d.Consent.State != consent.Denied {
		t.Errorf("the person's consent is %s, want denied", d.Consent.State)
	}
	for _, id := range []string{"ann", "$device:d", "$device:no"} {
		if o := s.optOut(id); o.State != consent.Denied {
			t.Errorf("the edge says %s of %s, want denied", o.State, id)
		}
	}
	// Who has denied, and whose events are dropped, is linked with nobody by them.
	s.deliver(batch(identify(4, "$identify", "ann", `{"$anon_id":"$device:new"}`, t0)))
	s.link()
	if got := s.members("$device:new"); len(got) != 1 {
		t.Errorf("a dropped event has linked %q", got)
	}
}

// What a token says of a profile is the person's, under whichever id, also through a
// link that comes later; its deletion waits for a key.
func TestProfileOfThePerson(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	as := func(id, request string, received event.Millis, name, value string) event.Op {
		return event.Op{DistinctID: id, Name: name, Value: value, Received: received, Request: request}
	}
	s.deliver(opBatch(as("$device:d", "r1", t0, "$set", `{"plan":"free","n":1}`), as("ann", "r3", t0+2, "$add", `{"n":1}`)))
	s.deliver(batch(identify(1, "$identify", "ann", `{"$anon_id":"$device:d"}`, t0+3)))
	s.link()
	want := func(profile string) {
		t.Helper()
		if got := s.doc("ann").Profile; got != profile {
			t.Errorf("got %s, want %s", got, profile)
		}
	}
	want(`{"n":2,"plan":"free"}`)
	s.deliver(opBatch(as("$device:d", "r4", t0+4, "$unset", `["plan"]`), as("ann", "r5", t0+5, "$append", `{"l":1}`)))
	want(`{"l":[1],"n":2}`)
	s.deliver(opBatch(as("$device:d", "r2", t0+1, "$set", `{"n":5}`))) // late
	want(`{"l":[1],"n":6}`)
	if d := s.doc("$device:d"); d.Profile != "" || !d.Operates {
		t.Errorf("the device: profile %q, operates %v", d.Profile, d.Operates)
	}
	s.deliver(opBatch(as("ann", "r6", t0+6, "$delete", `true`)))
	want(`{"l":[1],"n":6}`)
	if got := len(s.doc("ann").NoEffect[string(identity.DeleteUser)]); got != 1 {
		t.Errorf("%d deletions wait, want 1", got)
	}
	// A device that is hers deletes what was said under its own id, and nothing else.
	s.deliver(opBatch(as("$device:d", "r6a", t0+6, "$set", `{"d":1}`), as("$device:d", "r6b", t0+6, "$delete", `true`)))
	want(`{"l":[1],"n":1}`)
	byKey := as("ann", "r7", t0+7, "$delete", `true`)
	byKey.Speaker = event.ByKey
	s.deliver(opBatch(byKey, as("$device:d", "r8", t0+8, "$delete", `true`)))
	want(`{}`)
}

// An attribute that a token has written is part of the profile, and not of what the
// person is found by.
func TestAttested(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	byToken := op("r2", 0, t0+1, "$set", `{"email":"mallory@example.com","phone":"1"}`)
	byToken.Speaker = event.ByToken
	s.deliver(opBatch(op("r1", 0, t0, "$set", `{"email":"ann@example.com"}`)))
	unset := op("r3", 0, t0+2, "$unset", `["phone"]`)
	unset.Value, unset.Speaker = `["phone","email"]`, event.ByToken
	s.deliver(opBatch(byToken))
	d := s.doc("ann")
	if got, want := d.Attested, `{"email":"ann@example.com"}`; got != want {
		t.Errorf("attested: got %s, want %s", got, want)
	}
	if got, want := d.Profile, `{"email":"mallory@example.com","phone":"1"}`; got != want {
		t.Errorf("profile: got %s, want %s", got, want)
	}
	s.deliver(opBatch(unset)) // which would hide the person from requests
	d = s.doc("ann")
	if got, want := d.Attested+d.Profile, `{"email":"ann@example.com"}{}`; got != want {
		t.Errorf("attested and profile: got %s, want %s", got, want)
	}
}

// In a project whose user ids are UUIDs, no UUID is a device's.
func TestUsersWithUUIDs(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	if _, err := s.Default.Doc("projects/app").Set(ctx, map[string]any{"user_ids": string(identity.UserIDsUUID)}, mergeAll); err != nil {
		t.Fatal(err)
	}
	if p, err := project.Get(ctx, s.Default, "app"); err != nil || p.UserIDs != identity.UserIDsUUID {
		t.Fatal(p, err)
	}
	const alice, bob = "0b5c7d9e-1111-4222-8333-444455556666", "1b5c7d9e-1111-4222-8333-444455556666"
	s.deliver(batch(ev(alice, 1, t0), identify(1, "$identify", bob, fmt.Sprintf(`{"$anon_distinct_id":%q}`, alice), t0),
		identify(2, "Seen", bob, fmt.Sprintf(`{"$user_id":%q,"$device_id":"d"}`, bob), t0)))
	s.link()
	if got, want := s.members(bob), []string{"$device:d", bob}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := s.members(alice), []string{alice}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
