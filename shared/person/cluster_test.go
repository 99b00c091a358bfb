package person_test

import (
	"slices"
	"testing"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/person"
)

func (r *registry) link(a, b string) {
	r.t.Helper()
	named := func(id string) person.Named { return person.Named{Key: r.key(id), DistinctID: id} }
	if linked, err := person.Link(r.t.Context(), r.Databases, "app", named(a), named(b), noon); err != nil || !linked {
		r.t.Fatal(linked, err)
	}
}

// A head that becomes a member between the reads of a cluster leaves nobody out.
func TestClusterWhileLinked(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	r.link("head", "ann")
	r.link("other", "x")
	r.link("other", "y")
	reads := 0
	get := func(refs []*firestore.DocumentRef) ([]*firestore.DocumentSnapshot, error) {
		if reads++; reads == 2 {
			r.link("head", "other")
		}
		return r.Default.GetAll(t.Context(), refs)
	}
	all, err := person.Cluster(get, r.Default, "app", r.key("ann"))
	if err != nil {
		t.Fatal(err)
	}
	var got, want []person.Key
	for _, m := range all {
		got = append(got, m.Key)
	}
	for _, id := range []string{"ann", "head", "other", "x", "y"} {
		want = append(want, r.key(id))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) || all[0].Key != r.key("other") {
		t.Errorf("%v, want %v", got, want)
	}
}
