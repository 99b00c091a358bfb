package ingest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/identity"
	"github.com/lethe-analytics/lethe/shared/person"
)

// named is an event of another name.
func (s *system) named(name, id, more string) string {
	return strings.Replace(s.event(id, more), `"Seen"`, fmt.Sprintf("%q", name), 1)
}

// A token's yes, and that of a token with proof, does not let ingest forget a key's no:
// whether it is said at /consent or by an event, and whatever the token said before.
func TestTokenDoesNotUndoAKeysDenial(t *testing.T) {
	t.Parallel()
	s := newProver(t)
	track := func(id string) { s.post("/track", jsonType, s.event(id, "")) }
	proof := proofOf(signing, "proven")
	for _, id := range []string{"asked", "unset", "again", "event", "proven"} {
		s.atEdge(id, person.OptOut{State: consent.Denied, At: time.Now(), By: "key"})
	}
	s.say("asked", consent.Granted, "")
	s.say("unset", consent.Unset, "")
	s.say("again", consent.Denied, "")
	s.say("again", consent.Granted, "")
	s.say("proven", consent.Granted, fmt.Sprintf(`,"proof":%q`, identity.Prove(signing, "proven")))
	for _, id := range []string{"asked", "unset", "again", "proven"} {
		track(id)
	}
	s.post("/track", jsonType, "["+s.event("event", "")+","+s.named("$opt_in", "event", "")+"]")
	track("event")
	s.post("/track", jsonType, "["+s.named("$opt_in", "proven", proof)+","+s.event("proven", proof)+"]")
	events, ops, _ := s.published(7) // what was said is for store to judge
	if len(ops) != 5 || events[0].Name != "$opt_in" || events[1].Name != "$opt_in" {
		t.Errorf("got %d operations and %+v, want 5 and the two opt-ins alone", len(ops), events)
	}
	// A key's yes undoes it.
	s.withAccount("/track", "["+s.named("$opt_in", "event", "")+","+s.event("event", `,"n":1`)+"]")
	track("event")
	if events, _, _ = s.published(3); events[1].Properties != `{"n":1}` || events[1].Speaker != event.ByKey {
		t.Errorf("got %+v, want what came with a key's yes and after it", events)
	}
}

// A token's yes undoes a token's no.
func TestTokenUndoesATokensDenial(t *testing.T) {
	t.Parallel()
	s := newSystem(t, nil)
	s.atEdge("ann", person.OptOut{State: consent.Denied, At: time.Now(), By: "token"})
	s.say("ann", consent.Granted, "")
	s.post("/track", jsonType, s.event("ann", ""))
	if events, _, _ := s.published(2); len(events) != 1 {
		t.Errorf("got %d events, want 1", len(events))
	}
}

// An event named $opt_out is a withdrawal: it reaches store, and what follows is dropped.
func TestOptOutEvent(t *testing.T) {
	t.Parallel()
	s := newSystem(t, nil)
	s.post("/track", jsonType, "["+s.event("ann", `,"n":1`)+","+s.named("$opt_out", "ann", "")+"]")
	s.post("/track", jsonType, s.event("ann", `,"n":2`))
	s.post("/track", jsonType, s.named("$opt_out", "ann", "")) // once more: a key may have said yes meanwhile
	if events, _, _ := s.published(3); events[1].Name != "$opt_out" || events[2].Name != "$opt_out" {
		t.Errorf("got %+v, want the event before and both opt-outs", events)
	}
	// Of both at one time the denial stands, in whichever order they are.
	s.post("/track", jsonType, "["+s.named("$opt_out", "bob", "")+","+s.named("$opt_in", "bob", "")+"]")
	s.post("/track", jsonType, s.event("bob", ""))
	s.post("/track", jsonType, s.named("$opt_in", "bob", ""))
	s.post("/track", jsonType, s.event("bob", `,"n":3`))
	if events, _, _ := s.published(4); events[3].Properties != `{"n":3}` {
		t.Errorf("got %+v, want the event after the opt-in", events)
	}
}
