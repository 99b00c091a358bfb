package person_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/identity"
	"github.com/lethe-analytics/lethe/shared/person"
)

// connect makes a claim of a speaker, received so many seconds after noon.
func (r *registry) connect(who, whose string, by event.Speaker, second int) person.Linked {
	r.t.Helper()
	done, err := r.tryConnect(who, whose, by, second)
	if err != nil {
		r.t.Fatal(err)
	}
	return done
}

func (r *registry) tryConnect(who, whose string, by event.Speaker, second int) (person.Linked, error) {
	r.t.Helper()
	c, said := identity.Claim{Who: who, Whose: whose, Event: "$identify"}.Weigh(r.Project.UserIDs)
	named := func(id string) person.Named { return person.Named{Key: r.key(id), DistinctID: id} }
	return person.Connect(r.t.Context(), r.Databases, "app", person.Claim{Who: named(c.Who), Whose: named(c.Whose), Said: said,
		Link: person.Link{By: by.String(), Event: "$identify", Received: noon.Add(time.Duration(second) * time.Second)}})
}

// members are the distinct_ids of the person whose an identity is.
func (r *registry) members(id string) (ids []string) {
	r.t.Helper()
	s, err := person.Find(person.Reader(r.t.Context(), r.Default), r.Default, "app", r.key(id))
	if err != nil {
		r.t.Fatal(err)
	}
	for m, err := range person.Members(r.t.Context(), r.Default, "app", s.Person, false) {
		if err != nil {
			r.t.Fatal(err)
		}
		ids = append(ids, m.Doc.DistinctID)
	}
	slices.Sort(ids)
	return ids
}

func (r *registry) want(id string, want ...string) {
	r.t.Helper()
	if got := r.members(id); !slices.Equal(got, want) {
		r.t.Errorf("the person of %s is %q, want %q", id, got, want)
	}
}

const (
	uuid1 = "0b5c7d9e-1111-4222-8333-444455556666"
	uuid2 = "1b5c7d9e-1111-4222-8333-444455556666"
)

// What a token may say of who is who, and what it may not.
func TestConnectByToken(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		who, whose string
		ids        identity.UserIDs
		want       identity.Outcome
		said       identity.Said
	}{
		"a device is a user's":             {"$device:" + uuid1, "bob", "", identity.Taken, identity.LinkDevice},
		"a user is no user's":              {"alice", "bob", "", identity.NoEffect, identity.LinkUsers},
		"a UUID may be a user's":           {uuid1, "bob", "", identity.Provisional, identity.LinkEither},
		"a UUID is a device's":             {uuid1, "bob", identity.UserIDsOther, identity.Taken, identity.LinkDevice},
		"a UUID is a user's":               {uuid1, uuid2, identity.UserIDsUUID, identity.NoEffect, identity.LinkUsers},
		"a device, where users have UUIDs": {"$device:" + uuid1, uuid2, identity.UserIDsUUID, identity.Taken, identity.LinkDevice},
		"a device is no device's":          {"$device:" + uuid1, "$device:" + uuid2, "", identity.NoEffect, identity.LinkUsers},
		"an object is nobody":              {"[object Object]", "bob", "", identity.NoEffect, identity.LinkPlaceholder},
		"a space is nobody":                {" ", "bob", "", identity.NoEffect, identity.LinkPlaceholder},
		"a device of a template":           {"$device:" + uuid1, "{{user_id}}", "", identity.NoEffect, identity.LinkPlaceholder},
		"NaN is nobody":                    {"NaN", "bob", "", identity.NoEffect, identity.LinkPlaceholder},
		"a guest is nobody":                {"$device:" + uuid1, "guest", "", identity.NoEffect, identity.LinkPlaceholder},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRegistry(t)
			r.Project.UserIDs = c.ids
			r.put(c.whose, person.Doc{DistinctID: c.whose})
			done := r.connect(c.who, c.whose, event.ByToken, 1)
			if done.Outcome != c.want || done.Said != c.said {
				t.Errorf("got %s (%s), want %s (%s)", done.Outcome, done.Said, c.want, c.said)
			}
			if got, want := len(r.members(c.whose)), map[bool]int{true: 2, false: 1}[c.want == identity.Taken]; got != want {
				t.Errorf("the person has %d identities, want %d", got, want)
			}
			if refused := len(r.doc(c.whose).NoEffect[string(c.said)]); (c.want == identity.NoEffect) != (refused == 1) {
				t.Errorf("%d statements without effect are noted", refused)
			}
		})
	}
}

// Of several links of a device by token the one received first counts, in whatever order
// they arrive; a key's word counts above them, and that it is nobody's as well.
func TestFirstLinkCounts(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	const device = "$device:1"
	r.connect(device, "bob", event.ByToken, 5)
	r.want("bob", device, "bob")
	r.connect(device, "carol", event.ByToken, 7) // later: without effect
	r.want("bob", device, "bob")
	r.connect(device, "alice", event.ByToken, 3) // earlier, arrives later
	r.want("alice", device, "alice")
	r.want("bob", "bob")
	if got := len(r.doc(device).NoEffect[string(identity.LinkJoined)]); got != 2 {
		t.Errorf("%d links without effect are noted, want 2", got)
	}
	r.connect(device, "bob", event.ByKey, 9)
	r.want("bob", device, "bob")
	r.connect(device, "alice", event.ByToken, 1)
	r.want("bob", device, "bob")
	if _, err := person.Disconnect(t.Context(), r.Databases, "app", r.key("bob"), r.key(device), "actor", noon.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	r.want("bob", "bob")
	r.connect(device, "alice", event.ByToken, 0)
	r.connect(device, "bob", event.ByToken, 100)
	r.want(device, device)
	if _, err := person.Disconnect(t.Context(), r.Databases, "app", r.key("bob"), r.key("alice"), "actor", noon); fault.Of(err) != fault.NotFound {
		t.Errorf("taking back no link: got %v, want not found", err)
	}
}

// Who was once a user is no anonymous identity, whichever is heard first.
func TestUserForGood(t *testing.T) {
	t.Parallel()
	for _, first := range []bool{true, false} {
		r := newRegistry(t)
		link := func() { r.connect(uuid1, "bob", event.ByToken, 1) }
		evidence := func() { r.connect("$device:x1", uuid1, event.ByToken, 2) }
		if first {
			evidence()
		}
		link()
		if !first {
			evidence()
		}
		link()
		if d := r.doc(uuid1); d.Identified == "" || d.Link != nil {
			t.Errorf("evidence first %v: identified %q, link %+v; want a user whom nobody has linked", first, d.Identified, d.Link)
		}
		r.want(uuid1, "$device:x1", uuid1)
	}
}

// A key merges users, and the merges of many do not end in a chain that is too long.
func TestMergeByKey(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	var all []string
	for i := range 40 {
		all = append(all, fmt.Sprintf("user%02d", i))
		if i > 0 {
			r.connect(all[i], all[i-1], event.ByKey, i)
		}
	}
	r.want("user17", all...)
	r.connect("$device:z", "user33", event.ByToken, 100)
	r.want("user00", append([]string{"$device:z"}, all...)...)
	if s, err := person.Disconnect(t.Context(), r.Databases, "app", r.key("user00"), r.key("user20"), "actor", noon); err != nil || s.Pending == "" {
		t.Fatal(s, err)
	}
	if got := len(r.members("user00")) + len(r.members("user20")); got != 41 {
		t.Errorf("the two halves have %d identities, want 41", got)
	}
	if done := r.connect("{{user}}", "user00", event.ByKey, 1); done.Outcome != identity.Refused {
		t.Errorf("a placeholder by key: got %s, want %s", done.Outcome, identity.Refused)
	}
}

// What was said under an identity is its person's while they are one; taken apart, each
// has what was said under its own ids, and both what restricts.
func TestStateFollowsLinks(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	const device = "$device:1"
	r.set(device, 1, consent.Granted)
	r.set("bob", 2, consent.Granted)
	r.put("hold", person.Doc{DistinctID: "hold"})
	r.connect(device, "bob", event.ByToken, 3)
	if d := r.doc(device); len(d.Said) != 0 || d.Consent.State != "" {
		t.Errorf("the device's own consent is %+v, want none", d.Consent)
	}
	r.set(device, 4, consent.Denied)
	if d := r.doc("bob"); d.Consent.State != consent.Denied || len(d.Said) != 3 {
		t.Errorf("got %s of %d statements, want denied of 3", d.Consent.State, len(d.Said))
	}
	if o := r.optOut("bob"); o.State != consent.Denied {
		t.Errorf("the edge says %s of bob, want denied", o.State)
	}
	done, err := person.Disconnect(t.Context(), r.Databases, "app", r.key("bob"), r.key(device), "actor", noon.Add(time.Minute))
	if err != nil || done.Pending != r.key(device) {
		t.Fatal(done, err)
	}
	for id, want := range map[string]int{device: 2, "bob": 2} { // its own, and the denial
		if d := r.doc(id); d.Consent.State != consent.Denied || len(d.Said) != want {
			t.Errorf("%s: got %s of %d statements, want denied of %d", id, d.Consent.State, len(d.Said), want)
		}
	}
}

// A link that was received before an erasure of the person, and arrives later, brings
// the identity under it; a device that joins later is not touched.
func TestLateLinkAndTheFence(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	fence := noon.Add(10 * time.Second)
	r.put("bob", person.Doc{ErasedAt: fence})
	for _, id := range []string{"$device:late", "$device:new", "$device:held", uuid1} {
		r.put(id, person.Doc{DistinctID: id})
	}
	r.put("$device:held", person.Doc{DistinctID: "$device:held", Hold: &person.Hold{Since: noon}})
	if done := r.connect("$device:late", "bob", event.ByToken, 5); done.Pending != r.key("$device:late") {
		t.Errorf("nothing is pending: %+v", done)
	}
	if d := r.doc("$device:late"); !d.ErasedAt.Equal(fence) || d.DistinctID != "" || d.Pending == nil || !d.Pending.Erase {
		t.Errorf("the late identity is not under the fence: %+v", d)
	}
	r.connect("$device:new", "bob", event.ByToken, 15)
	if d := r.doc("$device:new"); !d.ErasedAt.IsZero() || d.Parent() != r.key("bob") {
		t.Errorf("the new identity: fence %v, link %+v", d.ErasedAt, d.Link)
	}
	r.connect("$device:held", "bob", event.ByToken, 5)
	r.connect(uuid1, "bob", event.ByToken, 5) // provisional
	for _, id := range []string{"$device:held", uuid1} {
		if d := r.doc(id); !d.ErasedAt.IsZero() || d.DistinctID != id {
			t.Errorf("%s is erased", id)
		}
	}
}

// What a key has denied, or an erasure, no token undoes; the person's own withdrawal a
// token may take back.
func TestConsentByRight(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	say := func(id string, second int, state consent.State, by event.Speaker) consent.State {
		t.Helper()
		c := said(second, state)
		c.By, c.ID = by.String(), fmt.Sprint(second, state, by)
		now, _, err := person.SetConsent(t.Context(), r.Databases, "app", r.key(id), c)
		if err != nil {
			t.Fatal(err)
		}
		return now.State
	}
	r.put("ann", person.Doc{DistinctID: "ann"})
	for _, c := range []struct {
		second int
		state  consent.State
		by     event.Speaker
		want   consent.State
	}{
		{1, consent.Denied, event.ByToken, consent.Denied},
		{2, consent.Granted, event.ByToken, consent.Granted},
		{3, consent.Denied, event.ByKey, consent.Denied},
		{4, consent.Granted, event.ByToken, consent.Denied},
		{5, consent.Granted, event.ByProof, consent.Denied},
		{6, consent.Unset, event.ByKey, consent.Unset},
		{7, consent.Granted, event.ByToken, consent.Granted},
	} {
		if got := say("ann", c.second, c.state, c.by); got != c.want {
			t.Errorf("%+v: got %s", c, got)
		}
	}
	d := r.doc("ann")
	ann, err := person.Find(person.Reader(t.Context(), r.Default), r.Default, "app", r.key("ann"))
	if err != nil {
		t.Fatal(err)
	}
	for second, want := range map[int]bool{0: true, 1: false, 2: true, 3: false, 4: false, 5: false, 6: true, 9: true} {
		if got := ann.Keeps(noon.Add(time.Duration(second)*time.Second), consent.Granted); got != want {
			t.Errorf("an event received at second %d: kept %v, want %v", second, got, want)
		}
	}
	if got := len(d.NoEffect[string(identity.ConsentUndo)]); got != 2 {
		t.Errorf("%d statements without effect are noted, want 2", got)
	}
	// A timeline that is full keeps what a key has denied.
	r.put("bob", person.Doc{DistinctID: "bob"})
	say("bob", 1, consent.Denied, event.ByKey)
	for i := range 2 * person.MaxSaid {
		say("bob", 2+i, consent.Granted, event.ByToken)
	}
	if d := r.doc("bob"); d.Consent.State != consent.Denied || len(d.Said) != person.MaxSaid {
		t.Errorf("got %s of %d statements, want denied of %d", d.Consent.State, len(d.Said), person.MaxSaid)
	}
}
