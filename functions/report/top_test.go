package report_test

import (
	"fmt"
	"testing"

	"github.com/lethe-analytics/lethe/functions/report"
)

func TestTopEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.store(w.Project,
		ev("Seen", "ann", "2026-02-01 01:00:00", `{}`), ev("Seen", "ann", "2026-02-02 01:00:00", `{}`), ev("Seen", "", "2026-02-02 01:00:00", `{}`),
		ev("Bought", "ann", "2026-02-01 01:00:00", `{}`), ev("Bought", "bob", "2026-02-02 01:00:00", `{}`),
		ev("Added", "ann", "2026-02-01 01:00:00", `{}`), ev("Added", "bob", "2026-02-01 01:00:00", `{}`),
		ev("Before", "bob", "2026-01-31 23:59:59", `{}`), ev("After", "bob", "2026-02-03 00:00:00", `{}`),
	)
	ask := func(from, to, limit string) (string, report.TopEvents) {
		t.Helper()
		var a report.TopEvents
		w.answered(w.get(topPath, query("from", from, "to", to, "limit", limit)), &a)
		s := ""
		for _, e := range a.Events {
			s += fmt.Sprintf("%s %d %d; ", e.Event, e.Total, e.Unique)
		}
		return s, a
	}
	if got, a := ask("2026-02-01", "2026-02-02", "50"); got != "Seen 3 1; Added 2 2; Bought 2 2; " || a.From != "2026-02-01" || a.To != "2026-02-02" || a.ComputedAt.IsZero() {
		t.Error(got)
	}
	if got, a := ask("2026-02-01", "2026-02-02", "1"); got != "Seen 3 1; " || a.LeftOut != 2 {
		t.Error(got)
	}
	if got, _ := ask("2026-02-01", "2026-02-01", "50"); got != "Added 2 2; Bought 1 1; Seen 1 1; " {
		t.Error("one day:", got)
	}
}
