package report_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/functions/report"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
)

// link makes an identity another's.
func (w *world) link(who, whose string, provisional bool) {
	w.t.Helper()
	key := func(id string) person.Key { return person.MakeKey(w.Project.Secret, id) }
	for id, fields := range map[string]map[string]any{
		who:   {"link": person.Link{To: key(whose), Provisional: provisional, By: "token", Received: time.Now()}},
		whose: {"joined": true, "identified": "$identify"},
	} {
		if _, err := person.Ref(w.Default, w.Project.ID, key(id)).Set(w.t.Context(), fields, firestore.MergeAll); err != nil {
			w.t.Fatal(err)
		}
	}
}

// one makes identities one person's, that of the first.
func (w *world) one(ids ...string) {
	w.t.Helper()
	for _, id := range ids[1:] {
		w.link(id, ids[0], false)
	}
}

// TestClustersAgainstNaive counts persons of several identities as if all their events
// had come under one: of devices, of users whom a key has merged, and where a link is
// provisional.
func TestClustersAgainstNaive(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	w := newWorld(t)
	roots := map[string]string{"a1": "a0", "a2": "a0", "a3": "a0", "b1": "b0", "c2": "c0", "f1": "f0", "g1": "g0"} // c0 and b0 are never seen themselves
	w.one("a0", "a1")
	w.one("a1", "a2")        // device, user, user
	w.link("a3", "a2", true) // which three links lead to
	w.one("b0", "b1")
	w.one("c0", "c2")
	w.link("f1", "f0", true)
	w.link("g1", "g0", true)
	w.link("g0", "g1", false) // a circle is one person
	ids := []string{"a0", "a1", "a2", "a3", "b1", "c2", "d", "e", "f0", "f1", "g0", "g1", ""}
	start := time.Date(2026, 1, 26, 0, 0, 0, 0, time.UTC) // a Monday
	var all, as []event.Event
	for i := range 300 {
		e := event.Event{
			Name: names[r.IntN(2)], DistinctID: ids[r.IntN(len(ids))], InsertID: fmt.Sprint("i", i), Received: 1,
			Time:       event.Millis(start.Add(time.Duration(r.IntN(12)) * 24 * time.Hour).Add(time.Duration(r.IntN(3*3600)) * time.Second).UnixMilli()),
			Properties: fmt.Sprintf(`{"n":1,"plan":%d}`, r.IntN(2)),
		}
		all = append(all, e)
		if root := roots[e.DistinctID]; root != "" {
			e.DistinctID = root
		}
		as = append(as, e)
	}
	w.store(w.Project, all...)
	for range 40 {
		from := start.AddDate(0, 0, r.IntN(10))
		to := from.AddDate(0, 0, r.IntN(8))
		unit := []string{"hour", "day", "week", "month"}[r.IntN(4)]
		measure := []string{"total", "unique", "unique"}[r.IntN(3)]
		by := []string{"", "plan"}[r.IntN(2)]
		q := []string{"event", "Seen", "event", "Bought", "unit", unit, "measure", measure, "where", `properties["n"] >= 0`,
			"from", from.Format(time.DateOnly), "to", to.Format(time.DateOnly)}
		if by != "" {
			q = append(q, "by", by)
		}
		got := flat(w.segmentation(q...))
		want := naive(as, from, to, unit, measure, by, 0, false)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d, %v: got\n\t%s\nwant\n\t%s", seed, q, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
		}
	}
}

func TestClusterCountsOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.one("user", "phone", "web")
	w.store(w.Project,
		ev("Seen", "phone", "2026-02-02 01:00:00", `{}`), ev("Seen", "web", "2026-02-02 01:30:00", `{}`), ev("Seen", "user", "2026-02-02 02:00:00", `{}`),
		ev("Seen", "web", "2026-02-03 01:30:00", `{}`), ev("Seen", "phone", "2026-02-04 01:30:00", `{}`), ev("Seen", "bob", "2026-02-02 01:00:00", `{}`),
	)
	for _, c := range []struct{ unit, to, want string }{
		{"hour", "2026-02-02", "Seen/null 2 [0,2,1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]"},
		{"day", "2026-02-02", "Seen/null 2 [2]"},
		{"day", "2026-02-04", "Seen/null 2 [2,1,1]"},
		{"week", "2026-02-04", "Seen/null 2 [2]"},
		{"month", "2026-02-02", "Seen/null 2 [2]"},
	} {
		a := w.segmentation("event", "Seen", "measure", "unique", "unit", c.unit, "from", "2026-02-02", "to", c.to)
		if got := flat(a); len(got) != 1 || got[0] != c.want {
			t.Errorf("%s: got %v, want %s", c.unit, got, c.want)
		}
	}
	for _, to := range []string{"2026-02-02", "2026-02-04"} {
		var a report.TopEvents
		w.answered(w.get(topPath, query("from", "2026-02-02", "to", to)), &a)
		if len(a.Events) != 1 || a.Events[0].Unique != 2 || a.Events[0].Total < 4 {
			t.Errorf("got %+v, want 2 persons", a.Events)
		}
	}
}
