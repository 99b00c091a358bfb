package retention_test

import (
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/shared/event"
)

// The oldest event that is not on hold is found behind any number of those that are.
func TestOldestBehindHeld(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute, nil)
	if err := local.Fill(t.Context(), w.Default, w.Project, "held", 1, 1100, 1); err != nil { // of 2025, before start
		t.Fatal(err)
	}
	w.call("PUT", "/v1/retention/holds/held", `{"reason":"a case"}`, 200, nil)
	old := ev("ann", "Seen", 3, "{}")
	w.Deliver(t, w.store, []event.Event{old})
	w.settings(map[string]any{"retention_days": -1})
	if r := w.purge(); r.Oldest != old.Time.Time().UTC().Format(time.DateOnly) {
		t.Errorf("%+v", r)
	}
}
