package report_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/identity"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/project"
)

// know makes identities known by their distinct_ids, as store does.
func (w *world) know(ids ...string) {
	w.t.Helper()
	for _, id := range ids {
		ref := person.Ref(w.Default, w.Project.ID, person.MakeKey(w.Project.Secret, id))
		if _, err := ref.Set(w.t.Context(), map[string]any{"distinct_id": id}, firestore.MergeAll); err != nil {
			w.t.Fatal(err)
		}
	}
}

// conceal is what store keeps of an event's properties.
func (w *world) conceal(e event.Event) event.Event {
	w.t.Helper()
	props, err := identity.Conceal(&e, func(id string) string { return string(person.MakeKey(w.Project.Secret, id)) })
	if err != nil {
		w.t.Fatal(err)
	}
	e.Properties = props
	return e
}

// exported are the events of an export, in its own form.
func (w *world) exported(key string) (all []map[string]any) {
	w.t.Helper()
	rec := w.mixpanel("/api/2.0/export", key, "from_date", "2026-01-01", "to_date", "2026-01-02")
	if rec.Code != http.StatusOK {
		w.t.Fatalf("got %d %s, want 200", rec.Code, rec.Body)
	}
	for line := range strings.Lines(rec.Body.String()) {
		var e struct{ Properties map[string]any }
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			w.t.Fatalf("%q: %v", line, err)
		}
		all = append(all, e.Properties)
	}
	return all
}

// An export shows an identity that an event names as long as it is known: who imports
// that has the same link and the same stored event. One that is erased, or restricted,
// stays a key.
func TestExportRevealsIdentities(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.know("ann", "device", "bob", "eve")
	w.restrict("eve", true)
	stored := w.conceal(ev("$identify", "ann", "2026-01-01 10:00:00", `{"$anon_distinct_id":"device","n":1}`))
	if strings.Contains(stored.Properties, "device") {
		t.Fatalf("got %s, want no id", stored.Properties)
	}
	w.store(w.Project, stored, w.conceal(ev("$identify", "ann", "2026-01-01 11:00:00", `{"$anon_distinct_id":"erased"}`)),
		w.conceal(ev("$merge", "ann", "2026-01-01 12:00:00", `{"$distinct_ids":["ann","eve","bob"]}`)))
	key := func(id string) string { return "identity:" + string(person.MakeKey(w.Project.Secret, id)) }
	want := []string{`device`, key("erased"), fmt.Sprint([]any{"ann", key("eve"), "bob"})}
	check := func(name string, all []map[string]any) {
		t.Helper()
		var got []string
		for _, e := range all {
			for _, field := range []string{"$anon_distinct_id", "$distinct_ids"} {
				if v, ok := e[field]; ok {
					got = append(got, fmt.Sprint(v))
				}
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	all := w.exported(w.newKey(project.Privacy))
	check("export", all)
	var a struct {
		Results struct {
			Events []struct{ Properties map[string]any }
		}
	}
	w.answered(w.mixpanel("/api/query/stream/query", w.key, "distinct_ids", `["ann"]`, "from_date", "2026-01-01", "to_date", "2026-01-02"), &a)
	all = all[:0]
	for _, e := range a.Results.Events {
		all = append(all, e.Properties)
	}
	check("stream", all)
	again := event.Event{Name: "$identify", DistinctID: "ann", Properties: `{"$anon_distinct_id":"device","n":1}`}
	claims, _, err := identity.NewReader().Claims(&again)
	if err != nil || len(claims) != 1 || claims[0].Who != "device" || claims[0].Whose != "ann" {
		t.Errorf("imported: got %+v, %v, want device is ann's", claims, err)
	}
	if got := w.conceal(again); got.Properties != stored.Properties {
		t.Errorf("imported: got %s, want %s", got.Properties, stored.Properties)
	}
}

// Many events that name many others are shown, with many of them in one batch and over
// several batches.
func TestExportRevealsMany(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const devices, each = 70, 20
	var all []event.Event
	for i := range devices {
		id := fmt.Sprint("device-", i)
		w.know(id)
		for n := range each {
			e := ev("$identify", "ann", "2026-01-01 10:00:00", `{"$anon_distinct_id":"`+id+`"}`)
			e.InsertID = fmt.Sprint(i, "-", n)
			all = append(all, w.conceal(e))
		}
	}
	w.store(w.Project, all...)
	got := map[any]int{}
	for _, e := range w.exported(w.newKey(project.Privacy)) {
		got[e["$anon_distinct_id"]]++
	}
	for i := range devices {
		if n := got[fmt.Sprint("device-", i)]; n != each {
			t.Errorf("device %d: got %d events, want %d", i, n, each)
		}
	}
}

// The events of a person are those of all identities, through links that only reports
// follow too; of one that is another's, just its own.
func TestMixpanelStreamOfIdentities(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.one("user", "phone", "old account")
	w.one("old account", "old phone")
	w.link("maybe", "user", true)
	for _, id := range []string{"user", "phone", "old account", "old phone", "maybe", "bob"} {
		w.store(w.Project, ev("Seen", id, "2026-01-01 10:00:00", `{}`))
	}
	for ids, want := range map[string]string{
		`["user"]`: "maybe, old account, old phone, phone, user", `["old phone","user"]`: "maybe, old account, old phone, phone, user",
		`["maybe"]`: "maybe", `["bob","maybe"]`: "bob, maybe",
	} {
		var a struct {
			Results struct {
				Events []struct{ Properties map[string]any }
			}
		}
		w.answered(w.mixpanel("/api/query/stream/query", w.key, "distinct_ids", ids, "from_date", "2026-01-01", "to_date", "2026-01-02"), &a)
		var who []string
		for _, e := range a.Results.Events {
			id, _ := e.Properties["distinct_id"].(string)
			who = append(who, id)
		}
		slices.Sort(who)
		if got := strings.Join(who, ", "); got != want {
			t.Errorf("%s: got %s, want %s", ids, got, want)
		}
	}
}
