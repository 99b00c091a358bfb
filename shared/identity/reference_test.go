package identity_test

import (
	"strings"
	"testing"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/identity"
)

// An export shows the key of an identity that is not known any more. An import of that
// says nothing of who is who; ids that only look like it do.
func TestReferenceIsNobodysID(t *testing.T) {
	t.Parallel()
	key := strings.Repeat("0", 32)
	for id, want := range map[string]int{"identity:" + key: 0, "identity:" + key[1:]: 1, "identity:": 1, "anna": 1} {
		e := &event.Event{Name: "$identify", DistinctID: "ann", Properties: `{"$anon_distinct_id":"` + id + `"}`}
		claims, _, err := identity.NewReader().Claims(e)
		if err != nil || len(claims) != want {
			t.Errorf("%q: got %d claims, %v, want %d", id, len(claims), err, want)
		}
	}
}
