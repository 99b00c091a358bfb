package retention_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/functions/retention"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/identity"
	"github.com/lethe-analytics/lethe/shared/join"
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

// link makes an identity another's, by a key, and finishes what that leaves to be done.
func (w *world) link(who, whose string) {
	w.t.Helper()
	w.claim(who, whose, identity.LinkUsers, event.ByKey)
}

// claim makes a link by the rule.
func (w *world) claim(who, whose string, said identity.Said, by event.Speaker) {
	w.t.Helper()
	name := func(id string) person.Named {
		return person.Named{Key: person.MakeKey(w.Project.Secret, id), DistinctID: id}
	}
	linked, err := person.Connect(w.t.Context(), w.Databases, "app", person.Claim{Who: name(who), Whose: name(whose), Said: said,
		Link: person.Link{By: by.String(), Event: "$identify", Received: start}})
	if err != nil || !linked.News {
		w.t.Fatalf("%s is %s's: got %+v, %v, want a new link", who, whose, linked, err)
	}
	if linked.Pending != "" {
		if err := join.Settle(w.t.Context(), w.Databases, "app", linked.Pending, func() bool { return true }); err != nil {
			w.t.Fatal(err)
		}
	}
}

// left are the distinct_ids of the events that are stored.
func (w *world) left() string {
	w.t.Helper()
	var ids []string
	for _, e := range w.stored("app").events {
		ids = append(ids, e.DistinctID)
	}
	slices.Sort(ids)
	return strings.Join(slices.Compact(ids), " ")
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
	w.call("PUT", "/v1/retention/holds/ann", `{"reason":"a case"}`, 200, nil)
	for id, want := range map[string]bool{"ann": false, "bob": true} {
		if doc, _ := w.doc(id); (doc.Hold != nil) != want {
			t.Errorf("%s: got a hold %v, want %v", id, doc.Hold, want)
		}
	}
	before := version()
	w.link("cleo", "ann")
	if version() == before {
		t.Error("a purge that is running does not learn who is held now")
	}
	var h retention.Hold
	if w.call("GET", "/v1/retention/holds/cleo", "", 200, &h); !h.Held || h.Reason != "a case" {
		t.Errorf("got %+v, want the hold", h)
	}
	w.purge()
	if got := w.left(); got != "ann bob cleo" {
		t.Errorf("got events of %s, want ann bob cleo", got)
	}
	w.call("DELETE", "/v1/retention/holds/cleo", "", 200, nil)
	w.set(start.AddDate(0, 0, 1))
	w.purge()
	if got := w.left(); got != "" {
		t.Errorf("got events of %s, want none", got)
	}
}

// TestHoldCoversIdentities: a hold keeps the events and the operations of all identities
// of the person: devices, merged users and theirs. One whose link is provisional is not
// held, nor is a stranger.
func TestHoldCoversIdentities(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute, func(p *project.Project) { p.RetentionDays = 3 })
	w.settings(map[string]any{"retention_rules": []rules.Rule{{Property: "plan", Days: 1}}})
	var all []event.Event
	for _, id := range []string{"ann", "$device:1", "old", "$device:2", "maybe", "bob"} {
		all = append(all, ev(id, "Seen", 5, "{}"))
	}
	w.Deliver(t, w.store, all, op("$device:2", "$set", `{"plan":"pro"}`, 5), op("bob", "$set", `{"plan":"pro"}`, 5))
	w.claim("$device:2", "old", identity.LinkDevice, event.ByToken)
	w.claim("$device:1", "ann", identity.LinkDevice, event.ByToken)
	w.link("old", "ann")
	w.claim("maybe", "ann", identity.LinkEither, event.ByToken)
	w.call("PUT", "/v1/retention/holds/ann", `{"reason":"a case"}`, 200, nil)
	var preview retention.Preview
	w.call("POST", "/v1/retention/preview", `{"retention_days":3}`, 200, &preview)
	if preview.Chunks != 2 {
		t.Errorf("preview: got %d chunks, want 2", preview.Chunks)
	}
	w.purge()
	if got, want := w.left(), "$device:1 $device:2 ann old"; got != want {
		t.Errorf("got events of %s, want %s", got, want)
	}
	for id, want := range map[string]string{"ann": `{"plan":"pro"}`, "bob": ""} {
		if doc, _ := w.doc(id); doc.Profile != want {
			t.Errorf("%s: got the profile %s, want %s", id, doc.Profile, want)
		}
	}
}
