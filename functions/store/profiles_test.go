package store_test

import (
	"fmt"
	"strings"
	"testing"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/profile"
)

// filled is what ingest has been told of an identity's profile; 0: nothing.
func (s *system) filled(id string) int {
	s.t.Helper()
	o := s.optOut(id)
	if o.Filled == nil {
		return 0
	}
	return o.Filled.Bytes
}

// large is a $set of so many KiB in one property.
func large(name string, kib int) string {
	return fmt.Sprintf(`{%q:%q}`, name, strings.Repeat("x", kib<<10))
}

// Ingest is told of a profile that had no room for an operation, with its size, and once
// there is room again.
func TestFullProfileIsTold(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.deliver(opBatch(op("r1", 0, t0, "$set", large("a", 300))))
	if got := s.filled("ann"); got != 0 {
		t.Errorf("got %d bytes of a profile with room, want nothing told", got)
	}
	lost := opBatch(op("r2", 0, t0+1, "$set", large("b", 300)), op("r2", 1, t0+1, "$set", `{"c":1}`))
	s.deliver(lost)
	d := s.doc("ann")
	if got := s.filled("ann"); got != len(d.Profile) || d.NoRoom != 1 || got > profile.MaxBytes || !strings.Contains(d.Profile, `"c":1`) {
		t.Errorf("got %d bytes and %d operations without room, want the profile's %d and 1", got, d.NoRoom, len(d.Profile))
	}
	s.deliver(lost) // again
	s.deliver(opBatch(op("r3", 0, t0+2, "$set", `{"d":1}`)))
	if got := s.filled("ann"); got == 0 {
		t.Error("got nothing told after an operation that fits, want the profile full still")
	}
	s.deliver(opBatch(op("r4", 0, t0+3, "$unset", `["a"]`)))
	if got := s.filled("ann"); got != 0 {
		t.Errorf("got %d bytes after an $unset, want room", got)
	}
	// One that comes late, so that the profile is folded anew.
	s.deliver(opBatch(op("r5", 0, t0+5, "$set", large("a", 400))))
	s.deliver(opBatch(op("r6", 0, t0+4, "$set", large("b", 300))))
	if got := s.filled("ann"); got == 0 {
		t.Error("got nothing told of a profile that was folded anew, want it full")
	}
	deletion := op("r7", 0, t0+6, "$delete", `true`)
	deletion.Speaker = event.ByKey
	s.deliver(opBatch(deletion))
	if got := s.filled("ann"); got != 0 {
		t.Errorf("got %d bytes after a $delete, want room", got)
	}
}

// It is told of the identity under which the operation came, and of the person.
func TestFullProfileIsToldOfThePerson(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	link := person.Link{To: s.key("ann"), By: event.ByKey.String(), Received: t0.Time()}
	if _, err := s.ref("device").Set(ctx, map[string]any{"link": link, "distinct_id": "device"}, firestore.MergeAll); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ref("ann").Set(ctx, map[string]any{"joined": true, "distinct_id": "ann"}, firestore.MergeAll); err != nil {
		t.Fatal(err)
	}
	first, second := op("r1", 0, t0+1, "$set", large("a", 300)), op("r2", 0, t0+2, "$set", large("b", 300))
	second.DistinctID = "device"
	s.deliver(opBatch(first, second))
	if a, b := s.filled("ann"), s.filled("device"); a == 0 || a != b {
		t.Errorf("got %d of the person and %d of the device, want the same", a, b)
	}
	if got := s.optOut("device").State; got != "unset" {
		t.Errorf("got the consent %s, want unset", got)
	}
}
