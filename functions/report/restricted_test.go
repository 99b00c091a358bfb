package report_test

import (
	"slices"
	"testing"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/functions/report"
	"github.com/lethe-analytics/lethe/shared/person"
)

// restrict sets or lifts a person's restriction.
func (w *world) restrict(id string, restricted bool) {
	w.t.Helper()
	var value any = firestore.Delete
	if restricted {
		value = person.Restriction{Since: time.Now(), Actor: "test"}
	}
	_, err := person.Ref(w.Default, w.Project.ID, person.MakeKey(w.Project.Secret, id)).
		Set(w.t.Context(), map[string]any{"restriction": value}, firestore.Merge(firestore.FieldPath{"restriction"}))
	if err != nil {
		w.t.Fatal(err)
	}
}

// Whoever is restricted is in no report, of any day, until it is lifted. The same
// person of another project, and nobody's events, stay.
func TestRestricted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, who := range []string{"ann", "bob", "a/b☕", ""} {
		w.store(w.Project, ev("Seen", who, "2019-03-01 10:00:00", `{"a":"x"}`), ev("Seen", who, "2019-03-02 10:00:00", `{"a":"x"}`))
	}
	w.store(w.Project, ev("Secret", "ann", "2019-03-02 11:00:00", `{"a":"only ann's"}`))
	other := w.newProject("other")
	w.store(other, ev("Seen", "ann", "2019-03-01 10:00:00", `{}`))
	if _, err := person.Ref(w.Default, other.ID, person.MakeKey(other.Secret, "bob")).
		Set(t.Context(), person.Doc{Restriction: &person.Restriction{Since: time.Now()}}); err != nil {
		t.Fatal(err)
	}
	check := func(when string, total, unique, bys []string, names int) {
		t.Helper()
		q := []string{"event", "Seen", "from", "2019-03-01", "to", "2019-03-02"}
		if got := flat(w.segmentation(q...)); !slices.Equal(got, total) {
			t.Errorf("%s: total %v", when, got)
		}
		if got := flat(w.segmentation(append(q, "measure", "unique")...)); !slices.Equal(got, unique) {
			t.Errorf("%s: unique %v", when, got)
		}
		if got := flat(w.segmentation("event", "Secret", "from", "2019-03-01", "to", "2019-03-02", "by", "a")); !slices.Equal(got, bys) {
			t.Errorf("%s: by %v", when, got)
		}
		var top report.TopEvents
		w.answered(w.get(topPath, query("from", "2019-03-01", "to", "2019-03-02")), &top)
		if len(top.Events) != names {
			t.Errorf("%s: %+v", when, top)
		}
	}
	whole := func(when string) {
		t.Helper()
		check(when, []string{"Seen/null 8 [4,4]"}, []string{"Seen/null 3 [3,3]"}, []string{"Secret/only ann's 1 [0,1]"}, 2)
	}
	whole("before")
	w.restrict("ann", true)
	w.restrict("a/b☕", true)
	w.restrict("never seen", true)
	check("restricted", []string{"Seen/null 4 [2,2]"}, []string{"Seen/null 1 [1,1]"}, nil, 1)
	w.store(w.Project, ev("Seen", "ann", "2019-03-02 12:00:00", `{}`))
	check("still restricted", []string{"Seen/null 4 [2,2]"}, []string{"Seen/null 1 [1,1]"}, nil, 1)
	w.restrict("a/b☕", false)
	w.restrict("ann", false)
	check("lifted", []string{"Seen/null 9 [4,5]"}, []string{"Seen/null 3 [3,3]"}, []string{"Secret/only ann's 1 [0,1]"}, 2)
}

// Whoever is one with a restricted person is in no report either: devices, merged users
// and theirs, and devices whose link is provisional, which it can only leave out.
func TestRestrictedWithIdentities(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ids := []string{"ann", "device", "old account", "device of it", "maybe", "maybe of it", "bob", "device of bob"}
	for _, who := range ids {
		w.store(w.Project, ev("Seen", who, "2019-03-01 10:00:00", `{}`))
	}
	w.one("ann", "device", "old account")
	w.one("old account", "device of it")
	w.link("maybe", "ann", true)
	w.link("maybe of it", "maybe", true)
	w.link("ann", "maybe", true) // as a key's link over a provisional one leaves it: it ends
	w.one("bob", "device of bob")
	check := func(when, total, unique string) {
		t.Helper()
		q := []string{"event", "Seen", "from", "2019-03-01", "to", "2019-03-01"}
		for measure, want := range map[string]string{"total": total, "unique": unique} {
			if got := flat(w.segmentation(append(q, "measure", measure)...)); len(got) != 1 || got[0] != want {
				t.Errorf("%s: %s: got %v, want %s", when, measure, got, want)
			}
		}
	}
	check("before", "Seen/null 8 [8]", "Seen/null 2 [2]")
	w.restrict("ann", true)
	check("restricted", "Seen/null 2 [2]", "Seen/null 1 [1]")
	w.restrict("ann", false)
	check("lifted", "Seen/null 8 [8]", "Seen/null 2 [2]")
}
