package store_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/identity"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/queue"
)

// identify is an event of a person as SDKs send it.
func identify(n int, name, id, props string, received event.Millis) event.Event {
	return event.Event{Name: name, DistinctID: id, InsertID: fmt.Sprint("l", n), Time: t0, Received: received, Properties: props}
}

// members gives the distinct_ids of the person whose an identity is, sorted.
func (s *system) members(id string) []string {
	s.t.Helper()
	found, err := person.Find(person.Reader(ctx, s.Default), s.Default, "app", s.key(id))
	if err != nil {
		s.t.Fatal(err)
	}
	all, err := person.AllMembers(ctx, s.Default, "app", found.Person)
	if err != nil {
		s.t.Fatal(err)
	}
	var ids []string
	for _, m := range all {
		ids = append(ids, m.Doc.DistinctID)
	}
	slices.Sort(ids)
	return ids
}

func TestFormsOfLinks(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	long := strings.Repeat("é", event.MaxString)
	for i, c := range []struct{ name, id, props, want string }{
		{"$identify", "a", `{"$anon_distinct_id":"$device:a2","$user_id":"a"}`, "$device:a2 a"},
		{"$identify", "b", `{"$identified_id":"b1","$anon_id":"$device:b2"}`, "$device:b2 b1"},
		{"$identify", "c1", `{"$anon_id":"$device:ć/☕\"","mp_lib":"x"}`, `$device:ć/☕" c1`},
		{"$create_alias", "d", `{"alias":"$device:d2","mp_lib":"web"}`, "$device:d2 d"},
		{"alias", "$device:e", `{"alias":"e2"}`, "$device:e e2"},
		{"$identify", "", `{"$identified_id":"f","$anon_id":"$device:f2"}`, "$device:f2 f"},
		{"Seen", "g", `{"$anon_id":"$device:g2","alias":"$device:g3"}`, "g"},
		{"$identify", "h", `{"alias":"$device:h2"}`, "h"},
		{"$identify", "i", `{"$anon_id":"i"}`, "i"},
		{"$identify", "j", `{"$anon_id":"Undefined"}`, "j"},
		{"$identify", "k", `{"$anon_id":""}`, "k"},
		{"$identify", "m", `{"$anon_id":"$device:m2","$identified_id":null}`, "$device:m2 m"},
		{"$identify", "n", fmt.Sprintf(`{"$anon_id":"$device:%s"}`, long), "n"},
		{"$identify", "o", `{"$anon_id":"$device:o\u0000"}`, "o"},
		{"$create_alias", "p", `{}`, "p"},
		{"alias", "", `{"alias":"$device:q"}`, ""},
		{"Seen", "r", `{"$user_id":"r","$device_id":"r2"}`, "$device:r2 r"},
		{"Seen", "s", `{"$user_id":"s","$device_id":"$device:s2"}`, "$device:s2 s"},
		{"Seen", "t", `{"$user_id":"t"}`, "t"},
		{"Seen", "$device:u", `{"$device_id":"u"}`, "$device:u"},
		{"Seen", "7", `{"$user_id":7,"$device_id":"v2"}`, "$device:v2 7"},
	} {
		payload := batch(identify(i, c.name, c.id, c.props, t0), ev(c.id, i, t0))
		s.deliver(payload)
		s.deliver(payload)
		s.link()
		id := c.want[strings.LastIndex(c.want, " ")+1:]
		if got := strings.Join(s.members(id), " "); got != c.want {
			t.Errorf("%s of %q with %s: got %q, want %q", c.name, c.id, c.props, got, c.want)
		}
	}
}

// A secret merges users; a token that says the same changes nothing, and the statement
// is counted.
func TestMerge(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	merge := identify(1, "$merge", "", `{"$distinct_ids":["ann","bob"]}`, t0)
	s.deliver(batch(ev("ann", 1, t0), ev("bob", 2, t0), merge))
	s.link()
	if got, want := s.members("bob"), []string{"bob"}; !slices.Equal(got, want) {
		t.Errorf("by token: got %q, want %q", got, want)
	}
	if got := len(s.doc("bob").NoEffect[string(identity.LinkUsers)]); got != 1 {
		t.Errorf("%d statements without effect are noted, want 1", got)
	}
	merge.Speaker, merge.InsertID, merge.Received = event.ByKey, "l2", t0+1 // though a token has just said so
	s.deliver(batch(merge))
	s.link()
	if got, want := s.members("bob"), []string{"ann", "bob"}; !slices.Equal(got, want) {
		t.Errorf("by key: got %q, want %q", got, want)
	}
}

// Events that name other identities hold keys instead of ids, and the person's own id as
// it is.
func TestOtherIdsAreConcealed(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.deliver(batch(
		identify(1, "$identify", "bob", `{"$anon_distinct_id":"alice","x":"alice"}`, t0),
		identify(2, "Seen", "bob", `{"$user_id":"bob","$device_id":"d","\u0024anon_id":"alice"}`, t0),
		identify(3, "$merge", "bob", `{"$distinct_ids":["alice","bob",["alice"]]}`, t0),
		identify(4, "Seen", "bob", `{"alias":"alice"}`, t0),
		identify(5, "Seen", "$device:alice", `{"$user_id":"alice","$device_id":"alice","$distinct_id":"bob"}`, t0),
	))
	if got, want := s.properties("$device:alice"), `{"$user_id":"identity:`+string(s.key("alice"))+`","$device_id":"alice","$distinct_id":"identity:`+string(s.key("bob"))+`"}`; len(got) != 1 || got[0] != want {
		t.Errorf("got %q, want %s", got, want)
	}
	ref := func(id string) string { return fmt.Sprintf("%q", "identity:"+string(s.key(id))) }
	want := []string{
		`{"$anon_distinct_id":` + ref("alice") + `,"x":"alice"}`,
		`{"$user_id":"bob","$device_id":` + ref("$device:d") + `,"\u0024anon_id":` + ref("alice") + `}`,
		`{"$distinct_ids":[` + ref("alice") + `,"bob",[` + ref("alice") + `]]}`,
		`{"alias":"alice"}`,
	}
	got := s.properties("bob")
	for i, w := range want {
		if !slices.Contains(got, w) {
			t.Errorf("event %d: got %q, want %s", i+1, got, w)
		}
	}
	text, err := identity.Reveal("Seen", want[1], func(key string) (string, bool) {
		return "$device:d", key == string(s.key("$device:d"))
	})
	if w := `{"$user_id":"bob","$device_id":"d","\u0024anon_id":` + ref("alice") + `}`; err != nil || text != w {
		t.Errorf("revealed: got %s, %v; want %s", text, err, w)
	}
}

// The links of a batch are made at once by several deliveries, and all hold.
func TestLinksAtOnce(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	done := make(chan int)
	const n = 30
	for i := range n {
		go func() {
			e := identify(i, "$identify", "user", fmt.Sprintf(`{"$anon_id":"$device:d%d"}`, i), t0)
			code := 0
			for range 20 {
				if code = s.push(event.Pack(batch(e)), map[string]string{queue.AttrProject: "app"}); code == http.StatusNoContent {
					break
				}
			}
			done <- code
		}()
	}
	for range n {
		if code := <-done; code != http.StatusNoContent {
			t.Errorf("status %d, want %d", code, http.StatusNoContent)
		}
	}
	s.link()
	if got := len(s.members("$device:d3")); got != n+1 {
		t.Errorf("the person has %d identities, want %d", got, n+1)
	}
}

// There is no limit on the identities of a person.
func TestManyLinks(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	const n = 300
	var events []event.Event
	for i := range n {
		events = append(events, identify(i, "$identify", "user", fmt.Sprintf(`{"$anon_id":"$device:d%d"}`, i), t0))
	}
	s.deliver(batch(events...))
	s.link()
	if got := len(s.members("user")); got != n+1 {
		t.Errorf("the person has %d identities, want %d", got, n+1)
	}
}
