package retention_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/functions/retention"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/project"
	rules "github.com/lethe-analytics/lethe/shared/retention"
)

// TestWait: a shortening waits for a day, in which it can be taken back; a
// lengthening does not wait.
func TestWait(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute, nil)
	w.Deliver(t, w.store, []event.Event{ev("ann", "Seen", 40, "{}"), ev("ann", "Seen", 5, "{}")})
	var a retention.Answer
	w.call("GET", "/v1/retention", "", 200, &a)
	if a.RetentionDays == nil || *a.RetentionDays != project.DefaultRetentionDays || a.Pending != nil || len(a.Runs) != 0 {
		t.Errorf("%+v", a)
	}
	w.call("DELETE", "/v1/retention/pending", "", 404, nil)
	ask := func(body string, code int) (a retention.Answer) {
		w.call("PUT", "/v1/retention", body, code, &a)
		return a
	}
	left := func(want int) {
		t.Helper()
		w.purge()
		if got := len(w.stored("app").events); got != want {
			t.Errorf("%d events are left, want %d", got, want)
		}
	}
	// Taken back.
	a = ask(`{"retention_days":30}`, 202)
	if *a.RetentionDays != project.DefaultRetentionDays || a.Pending == nil || *a.Pending.RetentionDays != 30 ||
		!a.Pending.EffectiveAt.Equal(start.Add(rules.Wait)) || len(a.Pending.By) != 12 {
		t.Errorf("%+v", a)
	}
	w.set(start.Add(time.Hour))
	if again := ask(`{"retention_days":30,"rules":[]}`, 202); !again.Pending.EffectiveAt.Equal(a.Pending.EffectiveAt) {
		t.Errorf("asked again, it waits anew: %+v", again.Pending)
	}
	w.call("DELETE", "/v1/retention/pending", "", 200, &a)
	w.set(start.AddDate(0, 0, 2))
	left(2)
	// Another in its place begins anew; the longer half of a change is there at once.
	ask(`{"retention_days":60}`, 202)
	w.set(w.now.Load().Add(23 * time.Hour))
	a = ask(`{"retention_days":null,"rules":[{"property":"$email","days":5}]}`, 202)
	if a.RetentionDays != nil || len(a.Rules) != 0 || a.Pending.RetentionDays != nil || len(a.Pending.Rules) != 1 {
		t.Errorf("%+v", a)
	}
	if a = ask(`{"retention_days":null,"rules":[]}`, 200); a.Pending != nil {
		t.Errorf("%+v", a)
	}
	w.set(w.now.Load().AddDate(0, 0, 3650))
	left(2)
	w.set(start.AddDate(0, 0, 3))
	ask(`{"retention_days":30}`, 202)
	w.set(w.now.Load().Add(rules.Wait - time.Second))
	left(2)
	// In effect.
	w.set(w.now.Load().Add(time.Second))
	w.call("DELETE", "/v1/retention/pending", "", 404, nil)
	if w.call("GET", "/v1/retention", "", 200, &a); *a.RetentionDays != 30 {
		t.Errorf("%+v", a)
	}
	w.set(w.now.Load().AddDate(0, 0, 1))
	left(1)
	p, err := project.Get(t.Context(), w.Default, "app")
	if err != nil || p.RetentionDays != 30 {
		t.Errorf("stored: %d, %v", p.RetentionDays, err)
	}
	var runs retention.Runs
	w.call("GET", "/v1/retention/runs", "", 200, &runs)
	if len(runs.Runs) != 4 || runs.Runs[1].Events != 1 || runs.NextCursor != "" {
		t.Errorf("%+v", runs)
	}
	w.call("GET", "/v1/retention/runs?cursor="+runs.Runs[1].Day, "", 200, &runs)
	if len(runs.Runs) != 2 {
		t.Errorf("%+v", runs)
	}
}

// TestProfiles: an operation loses a property by its age; who is left with nothing is
// forgotten, but not what must be known of somebody.
func TestProfiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute, func(p *project.Project) { p.RetentionDays = 50 })
	w.settings(map[string]any{"retention_rules": []rules.Rule{{Property: "$email", Days: 10}, {Event: "Noise", Days: 3}}})
	w.Deliver(t, w.store, nil, op("ann", "$set", `{"$email":"a@x","plan":"pro"}`, 20))
	w.Deliver(t, w.store, nil, op("ann", "$set", `{"city":"Bern"}`, 2))
	w.Deliver(t, w.store, nil, op("bob", "$set", `{"$email":"old@x"}`, 30), op("bob", "$set", `{"$email":"new@x"}`, 9))
	w.Deliver(t, w.store, nil, op("held", "$set", `{"$email":"h@x"}`, 30))
	w.Deliver(t, w.store, nil, op("empty", "$set", `{"$email":"e@x"}`, 30))
	old := []event.Event{ev("empty", "Seen", 60, "{}"), ev("gone", "Seen", 51, "{}"), ev("noisy", "Noise", 4, "{}"), ev("kept", "Seen", 50, "{}")}
	needed := map[string]map[string]any{
		"denied":     {"consent": person.Consent{State: "denied", At: start}},
		"restricted": {"restriction": person.Restriction{Since: start}},
		"erased":     {"erased_at": start.AddDate(-1, 0, 0)},
		"linked":     {"link": person.Link{To: person.MakeKey(w.Project.Secret, "denied"), By: "token", Received: start}},
		"unsettled":  {"pending": person.Pending{Amend: true}},
		"amended":    {"amendments": []map[string]any{{"at": start, "request": "r", "events": []string{"x"}}}},
	}
	for id := range needed {
		old = append(old, ev(id, "Seen", 60, "{}"))
	}
	w.Deliver(t, w.store, old)
	for id, fields := range needed {
		if _, err := w.ref(id).Set(t.Context(), fields, firestore.MergeAll); err != nil {
			t.Fatal(err)
		}
	}
	w.call("PUT", "/v1/retention/holds/held", `{"reason":"a case"}`, 200, nil)
	run := w.purge()
	for id, want := range map[string]string{"ann": `{"city":"Bern","plan":"pro"}`, "bob": `{"$email":"new@x"}`, "held": `{"$email":"h@x"}`} {
		if d, _ := w.doc(id); d.Profile != want {
			t.Errorf("%s: got the profile %s, want %s", id, d.Profile, want)
		}
		docs, err := w.ref(id).Collection("ops").Documents(t.Context()).GetAll()
		if err != nil {
			t.Fatal(err)
		}
		for _, doc := range docs {
			data, _ := doc.Data()["data"].([]byte)
			err := event.Unpack(data, nil, func(o *event.Op) error {
				if id != "held" && (strings.Contains(o.Value, "a@x") || strings.Contains(o.Value, "old@x")) {
					t.Errorf("%s: %s is left", id, o.Value)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, id := range append(slices.Collect(maps.Keys(needed)), "kept") {
		if !w.exists(id) {
			t.Errorf("%s is forgotten", id)
		}
	}
	for _, id := range []string{"empty", "gone", "noisy"} {
		if w.exists(id) {
			t.Errorf("%s is left", id)
		}
	}
	if c := run.Counts; c.Persons != 3 || c.Operations != 3 || c.Events != 9 {
		t.Errorf("got %+v, want 3 persons, 3 documents of operations, 9 events", c)
	}
	// The one who comes again is somebody new.
	w.Deliver(t, w.store, []event.Event{ev("gone", "Seen", 0, "{}")})
	if !w.exists("gone") {
		t.Error("who came again is not there")
	}
}

// TestLateAndLifted: what a rule has passed by, because it came late or was on hold,
// it reaches within a week.
func TestLateAndLifted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute, nil)
	w.settings(map[string]any{"retention_rules": []rules.Rule{{Property: "$email", Days: 10}}})
	w.call("PUT", "/v1/retention/holds/ann", `{"reason":"a case"}`, 200, nil)
	w.Deliver(t, w.store, []event.Event{ev("ann", "Seen", 30, `{"$email":"x"}`), ev("bob", "Seen", 10, `{"$email":"x"}`)})
	emails := func() (n int) {
		for _, e := range w.stored("app").events {
			n += strings.Count(e.Properties, "$email")
		}
		return n
	}
	w.purge()
	if n := emails(); n != 2 {
		t.Errorf("%d are left, want 2", n)
	}
	w.set(start.AddDate(0, 0, 1)) // only the day that the rule has reached since is read
	if run := w.purge(); emails() != 1 || run.Counts.Changed != 1 {
		t.Errorf("%d are left, %+v", emails(), run.Counts)
	}
	w.set(start.AddDate(0, 0, 2))
	if run := w.purge(); run.Counts.Scanned != 0 {
		t.Errorf("%+v", run.Counts)
	}
	w.call("DELETE", "/v1/retention/holds/ann", "", 200, nil)
	w.Deliver(t, w.store, []event.Event{ev("cleo", "Seen", 300, `{"$email":"x"}`)})
	w.set(start.AddDate(0, 0, 7))
	w.purge()
	if n := emails(); n != 0 {
		t.Errorf("%d are left after a week", n)
	}
}

// TestCorrected: two versions of an event that differ in what a rule takes become one,
// the later received.
func TestCorrected(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute, nil)
	w.settings(map[string]any{"retention_rules": []rules.Rule{{Property: "$email", Days: 10}}})
	first := ev("ann", "Seen", 30, `{"n":1,"$email":"x"}`)
	second := first
	second.Properties, second.Received = `{"n":1,"$email":"y"}`, first.Received+5000
	w.Deliver(t, w.store, []event.Event{first})
	w.Deliver(t, w.store, []event.Event{second})
	run := w.purge()
	second.Properties = `{"n":1}`
	if got := w.stored("app").events; len(got) != 1 || got[first.InsertID] != second || run.Counts.Changed != 2 {
		t.Errorf("%+v, %+v", got, run.Counts)
	}
}
