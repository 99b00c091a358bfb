package retention_test

import (
	"context"
	"testing"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/functions/retention"
	"github.com/lethe-analytics/lethe/shared/amend"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/identity"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/profile"
	"github.com/lethe-analytics/lethe/shared/project"
	rules "github.com/lethe-analytics/lethe/shared/retention"
)

// TestForgetLinked: a link goes with the last that is stored under the identity, and the
// user with the last identity. What stays is the key of a user, who is one for good,
// without the id.
func TestForgetLinked(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute, func(p *project.Project) { p.RetentionDays = 10 })
	w.Deliver(t, w.store, []event.Event{ev("$device:1", "Seen", 12, "{}"), ev("$device:2", "Seen", 9, "{}"), ev("maybe", "Seen", 8, "{}"), ev("ann", "Seen", 10, "{}")})
	w.claim("$device:1", "ann", identity.LinkDevice, event.ByToken)
	w.claim("$device:2", "ann", identity.LinkDevice, event.ByToken)
	w.claim("maybe", "ann", identity.LinkEither, event.ByToken)
	for _, c := range []struct {
		day   int
		known []string
	}{
		{0, []string{"$device:2", "maybe", "ann"}},
		{1, []string{"$device:2", "maybe", "ann"}}, // of whom nothing of her own is left
		{2, []string{"maybe", "ann"}},
		{3, nil},
	} {
		w.set(start.AddDate(0, 0, c.day))
		w.purge()
		want := map[string]bool{}
		for _, id := range c.known {
			want[id] = true
		}
		for _, id := range []string{"$device:1", "$device:2", "maybe", "ann"} {
			doc, known := w.doc(id)
			if id == "ann" && !want[id] {
				if !known || doc.Identified == "" || doc.DistinctID != "" || doc.Joined {
					t.Errorf("day %d: got %+v, want that the key is a user's, and no more", c.day, doc)
				}
			} else if known != want[id] {
				t.Errorf("day %d: %s is known: got %v, want %v", c.day, id, known, want[id])
			}
		}
	}
}

// TestForgetKeeps: a link lasts as long as it brings the identity something that
// restricts; that a key has taken it back lasts for good.
func TestForgetKeeps(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute, func(p *project.Project) { p.RetentionDays = 10 })
	var all []event.Event
	for _, id := range []string{"of denied", "of restricted", "taken back", "of bob", "bob"} {
		all = append(all, ev(id, "Seen", 12, "{}"))
	}
	w.Deliver(t, w.store, all)
	for _, id := range []string{"denied", "restricted", "bob"} {
		w.link("of "+id, id)
	}
	w.link("taken back", "bob")
	for id, fields := range map[string]map[string]any{
		"denied":     {"consent": person.Consent{State: "denied", At: start, By: "key"}},
		"restricted": {"restriction": person.Restriction{Since: start}},
	} {
		if _, err := w.ref(id).Set(t.Context(), fields, firestore.MergeAll); err != nil {
			t.Fatal(err)
		}
	}
	key := func(id string) person.Key { return person.MakeKey(w.Project.Secret, id) }
	if _, err := person.Disconnect(t.Context(), w.Databases, "app", key("bob"), key("taken back"), "actor", start); err != nil {
		t.Fatal(err)
	}
	if _, err := w.ref("taken back").Update(t.Context(), []firestore.Update{{Path: "pending", Value: firestore.Delete}}); err != nil {
		t.Fatal(err) // that is done
	}
	w.purge()
	for id, to := range map[string]string{"of denied": "denied", "of restricted": "restricted"} {
		if doc, _ := w.doc(id); doc.DistinctID != id || doc.Parent() != key(to) {
			t.Errorf("%s: got %+v, want a link to %s", id, doc, to)
		}
	}
	if doc, known := w.doc("taken back"); !known || doc.Link == nil || doc.Link.To != "" || doc.DistinctID != "" {
		t.Errorf("taken back: got %+v, want that it is nobody's, without an id", doc)
	}
	if doc, _ := w.doc("of bob"); doc.DistinctID != "" || doc.Link != nil || doc.Identified == "" {
		t.Errorf("of bob: got %+v, want that the key is a user's, and no more", doc)
	}
}

// TestFoldAfterKill: a worker that was killed once operations had lost a property leaves
// a profile that still has it. The next one folds it anew before it forgets anything.
func TestFoldAfterKill(t *testing.T) {
	t.Parallel()
	for name, check := range map[string]bool{"in its stage": false, "before the identity is forgotten": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, time.Minute, nil)
			w.settings(map[string]any{"retention_rules": []rules.Rule{{Property: "$email", Days: 10}}})
			w.Deliver(t, w.store, []event.Event{ev("ann", "Seen", 1, "{}")}, op("$device:1", "$set", `{"$email":"a@x"}`, 20), op("ann", "$set", `{"plan":"pro"}`, 1))
			w.claim("$device:1", "ann", identity.LinkDevice, event.ByToken)
			set, err := amend.Compile([]amend.Amendment{{At: start.AddDate(0, 0, -10), Request: "retention", Properties: []string{"$email"}}})
			if err != nil {
				t.Fatal(err)
			}
			err = w.Default.RunTransaction(t.Context(), func(_ context.Context, tx *firestore.Transaction) error {
				_, _, err := profile.AmendTx(tx, w.ref("$device:1"), set)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if doc, _ := w.doc("ann"); doc.Profile != `{"$email":"a@x","plan":"pro"}` {
				t.Fatalf("got the profile %s, want one that is stale", doc.Profile)
			}
			if check {
				run := retention.Run{Day: w.today(), Stage: 2, Check: []person.Key{person.MakeKey(w.Project.Secret, "$device:1")}}
				if _, err := w.Default.Doc("projects/app/retention_runs/"+run.Day).Set(t.Context(), run); err != nil {
					t.Fatal(err)
				}
			}
			w.purge()
			if doc, _ := w.doc("ann"); doc.Profile != `{"plan":"pro"}` {
				t.Errorf("got the profile %s, want it without $email", doc.Profile)
			}
			if known := w.exists("$device:1"); known == check {
				t.Errorf("the device is known: got %v, want %v", known, !check)
			}
		})
	}
}
