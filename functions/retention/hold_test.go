package retention_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/project"
	rules "github.com/lethe-analytics/lethe/shared/retention"
)

// TestHoldMeanwhile sets a hold, or a longer retention, while a purge is running:
// from the answer on nothing that it covers goes.
func TestHoldMeanwhile(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for name, c := range map[string]struct {
		covers string // the person; empty: all
		do     func(*world)
	}{
		"person":  {"ann", func(w *world) { w.call("PUT", "/v1/retention/holds/ann", `{"reason":"a case"}`, 200, nil) }},
		"linked":  {"ann", func(w *world) { w.link("ann", "held") }},
		"project": {"", func(w *world) { w.call("PUT", "/v1/retention/hold", `{"reason":"a case"}`, 200, nil) }},
		"longer":  {"", func(w *world) { w.call("PUT", "/v1/retention", `{"retention_days":null}`, 200, nil) }},
	} {
		delay := time.Duration(r.IntN(150)) * time.Millisecond
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, time.Minute, func(p *project.Project) { p.RetentionDays = 1 })
			var all []event.Event
			for day := range 250 {
				all = append(all, ev("ann", "Seen", day+2, "{}"), ev("bob", "Seen", day+2, "{}"))
			}
			w.Deliver(t, w.store, all)
			w.call("PUT", "/v1/retention/holds/held", `{"reason":"a case"}`, 200, nil)
			done := make(chan struct{})
			go func() { defer close(done); w.slice(t.Context()) }()
			timer := time.NewTimer(delay)
			defer timer.Stop()
			<-timer.C
			c.do(w)
			held := w.stored("app")
			<-done
			w.purge()
			after := w.stored("app")
			for id, e := range held.events {
				if _, left := after.events[id]; !left && (c.covers == "" || e.DistinctID == c.covers) {
					t.Fatalf("seed %d: an event went after the hold", seed)
				}
			}
			t.Logf("%d of %d events were covered", len(after.events), len(all))
		})
	}
}

// link makes two distinct_ids one person.
func (w *world) link(a, b string) {
	w.t.Helper()
	name := func(id string) person.Named {
		return person.Named{Key: person.MakeKey(w.Project.Secret, id), DistinctID: id}
	}
	if _, err := person.Link(w.t.Context(), w.Databases, "app", name(a), name(b), start); err != nil {
		w.t.Fatal(err)
	}
}

// TestHoldOfLinked: who becomes one with a person on hold is held as well.
func TestHoldOfLinked(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute, func(p *project.Project) { p.RetentionDays = 1 })
	w.Deliver(t, w.store, []event.Event{ev("ann", "Seen", 5, "{}"), ev("bob", "Seen", 5, "{}"), ev("cleo", "Seen", 5, "{}"), ev("dan", "Seen", 5, "{}")})
	version := func() int {
		t.Helper()
		d, err := rules.Read(t.Context(), w.Default, "app", start)
		if err != nil {
			t.Fatal(err)
		}
		return d.Version
	}
	w.link("ann", "bob")
	w.call("PUT", "/v1/retention/holds/bob", `{"reason":"a case"}`, 200, nil)
	before := version()
	w.link("cleo", "ann")
	if version() == before {
		t.Error("a purge that is running does not learn who is held now")
	}
	w.purge()
	if got := len(w.stored("app").events); got != 3 {
		t.Errorf("%d events are left, want 3", got)
	}
	w.call("DELETE", "/v1/retention/holds/cleo", "", 200, nil)
	w.set(start.AddDate(0, 0, 1))
	w.purge()
	if got := len(w.stored("app").events); got != 0 || !w.exists("ann") || w.exists("dan") {
		t.Errorf("%d events are left", got)
	}
}
