package store_test

import (
	"testing"

	"github.com/lethe-analytics/lethe/shared/event"
)

// Whom the app's server has proven is a user for good, whatever the id looks like: unless
// an SDK has made it for a device.
func TestProvenIsAUser(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	const uuid, other = "0b8a1c1e-6f0e-4d8e-9a63-0b8a1c1e6f0e", "1b8a1c1e-6f0e-4d8e-9a63-0b8a1c1e6f0e"
	device, event1, event2, op1 := ev("$device:x", 1, t0), ev(uuid, 2, t0), ev("plain", 3, t0), op("r", 0, t0, "$set", `{"a":1}`)
	op1.DistinctID = other
	for _, by := range []*event.Speaker{&device.Speaker, &event1.Speaker, &op1.Speaker} {
		*by = event.ByProof
	}
	s.deliver(append(batch(device, event1, event2), opBatch(op1)...))
	for id, want := range map[string]string{"$device:x": "", uuid: "proof", other: "proof", "plain": ""} {
		if got := s.doc(id).Identified; got != want {
			t.Errorf("%s: got %q, want %q", id, got, want)
		}
	}
}
