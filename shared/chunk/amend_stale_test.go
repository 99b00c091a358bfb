package chunk_test

import (
	"strings"
	"testing"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/shared/amend"
	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/person"
)

// Who began before a property was erased does not write it again, also in the middle of
// the person's chunks.
func TestAmendOutdated(t *testing.T) {
	t.Parallel()
	n := local.NewTenant(t, nil)
	key := person.MakeKey(n.Project.Secret, "ann")
	var all []chunk.Chunk
	for i := range 120 {
		e := ev(i, day*event.Millis(20_000+i))
		e.Properties, e.Received = `{"a":1}`, amended
		all = append(all, chunk.Build("app", []event.Event{e})...)
	}
	write(t, n, key, all)
	rectified := amend.Amendment{At: event.Millis(amended).Time(), Request: "rectification", Set: `{"email":"SECRET"}`}
	before := stand(t, n, key, []amend.Amendment{rectified})
	looks := 0
	_, _, done, err := chunk.Amend(t.Context(), n.Default, "app", key, before, "", func() bool {
		if looks++; looks > 1 {
			return true
		}
		left, err := amend.Without([]amend.Amendment{rectified}, []string{"email"})
		if err != nil {
			t.Fatal(err)
		}
		as, _, err := amend.Add(left, event.Millis(2*amended).Time(), "erasure", []amend.Amendment{{Properties: []string{"email"}}})
		if err != nil {
			t.Fatal(err)
		}
		pass(t, n, key, stand(t, n, key, as), never)
		return true
	})
	if done || fault.Of(err) != fault.Unavailable || fault.Permanent(err) {
		t.Errorf("done %v: %v", done, err)
	}
	for _, e := range events(t, n, key) {
		if strings.Contains(e.Properties, "SECRET") {
			t.Fatal("an erased property is back")
		}
	}
}
