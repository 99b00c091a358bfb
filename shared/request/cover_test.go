package request_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/request"
)

// A request is found by those whom its archive holds beside the named ones, by any of
// many persons, each of its parts once.
func TestCover(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r, other := w.create(request.New{Kind: request.Export, IDs: []string{"ann"}}), w.create(request.New{Kind: request.Export, IDs: []string{"bob"}})
	var keys []person.Key
	for i := range 2 * request.PartSize {
		keys = append(keys, person.MakeKey(w.Project.Secret, fmt.Sprint("device ", i)))
	}
	for n := range 2 {
		if err := request.Cover(t.Context(), w.Default, r, n, keys[n*request.PartSize:(n+1)*request.PartSize]...); err != nil {
			t.Fatal(err)
		}
		got, err := request.ReadCover(t.Context(), w.Default, r, n)
		if want := keys[n*request.PartSize : (n+1)*request.PartSize]; err != nil || !slices.Equal(got, want) {
			t.Errorf("note %d: got %v, %v; want %v", n, got, err, want)
		}
	}
	ann, bob := person.MakeKey(w.Project.Secret, "ann"), person.MakeKey(w.Project.Secret, "bob")
	for name, c := range map[string]struct {
		keys []person.Key
		want map[string]int // parts by request
	}{
		"one who is named":    {[]person.Key{ann}, map[string]int{r.ID: 1}},
		"one who is not":      {keys[150:151], map[string]int{r.ID: 1}},
		"many of one note":    {keys[:100], map[string]int{r.ID: 1}},
		"many of all":         {append([]person.Key{bob, ann}, keys...), map[string]int{r.ID: 3, other.ID: 1}},
		"nobody":              {nil, map[string]int{}},
		"one without request": {[]person.Key{"none"}, map[string]int{}},
	} {
		found, err := request.Of(t.Context(), w.Default, w.Project.ID, c.keys...)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]int{}
		for _, f := range found {
			if got[f.Request]++; f.Created.IsZero() || f.Part.ID == "" {
				t.Errorf("%s: got %+v, want when the part was made", name, f)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: got parts %v, want %v", name, got, c.want)
		}
	}
	all, err := request.GetAll(t.Context(), w.Default, w.Project.ID, []string{other.ID, "00000000-0000-0000-0000-000000000000", r.ID})
	if err != nil || len(all) != 2 || all[0].ID != other.ID || all[1].ID != r.ID {
		t.Errorf("got %v, %v; want two requests", all, err)
	}
}
