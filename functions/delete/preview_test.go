package erase_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	erase "github.com/lethe-analytics/lethe/functions/delete"
	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/identity"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/project"
)

// A preview says whom a request would cover, who has said so, and what it would not
// follow. It is logged, and changes nothing.
func TestPreview(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute)
	w.seen("bob", "$device:1", "$device:2", "maybe", "carl")
	w.link("$device:1", "bob", ago(3*time.Minute))
	w.link("$device:2", "bobby", ago(2*time.Minute))
	w.linkByKey("bobby", "bob", ago(time.Minute))
	said := ago(time.Hour)
	w.connect("maybe", "bobby", identity.LinkEither, person.Link{By: "token", Event: "$identify", Received: said})
	before := w.snapshot("bob") + w.snapshot("maybe")
	ask := func(body string) map[string]*erase.PreviewPerson {
		var p erase.Preview
		w.call(http.MethodPost, "/v1/deletions/preview", body, http.StatusOK, &p)
		all := map[string]*erase.PreviewPerson{}
		for _, one := range p.Persons {
			all[one.DistinctID] = one
		}
		return all
	}
	ids := func(list []erase.PreviewIdentity) string {
		var all []string
		for _, i := range list {
			by := "-"
			if i.Link != nil {
				by = i.Link.By
			}
			all = append(all, i.DistinctID+" "+by)
		}
		return strings.Join(all, ", ")
	}
	whole := "bob -, "
	all := ask(`{"distinct_ids":["bob","bobby","$device:2","maybe","carl","nobody"]}`)
	for id, c := range map[string]struct{ scope, person, covers, provisional string }{
		"bob":       {"person", "bob", whole, "maybe token"},
		"bobby":     {"person", "bob", whole, "maybe token"},
		"$device:2": {"identity", "bob", "$device:2 token", ""},
		"maybe":     {"person", "maybe", "maybe token", ""},
		"carl":      {"person", "carl", "carl -", ""},
		"nobody":    {"person", "nobody", " -", ""},
	} {
		p := all[id]
		got := ids(p.Identities)
		if c.covers == whole {
			if len(p.Identities) != 4 || !strings.HasPrefix(got, whole) {
				t.Errorf("%s covers %s, want four", id, got)
			}
			got = whole
		}
		if p.Scope != c.scope || p.Person != w.personKey(c.person) || got != c.covers || ids(p.Provisional) != c.provisional || p.Found != (id != "nobody") || p.More+p.MoreProvisional != 0 {
			t.Errorf("%s: got %+v, %s, %s; want %+v", id, p, got, ids(p.Provisional), c)
		}
	}
	if l := all["bobby"].Link; l == nil || l.By != "key" || l.ToDistinctID != "bob" || l.Provisional || l.Actor != "key" {
		t.Errorf("bobby's link: %+v", l)
	}
	if l := all["maybe"].Link; l == nil || l.By != "token" || l.ToDistinctID != "bobby" || !l.Provisional || l.Event != "$identify" || !l.Received.Equal(said) {
		t.Errorf("the provisional link: %+v", l)
	}
	if p := ask(`{"distinct_ids":["$device:2"],"scope":"person"}`)["$device:2"]; p.Scope != "person" || len(p.Identities) != 4 {
		t.Errorf("asked for the person: %+v", p)
	}
	if after := w.snapshot("bob") + w.snapshot("maybe"); after != before {
		t.Errorf("a preview has changed: %s\n%s", before, after)
	}
	logged := 0
	for rec, err := range access.List(t.Context(), w.Default, w.Project.ID, access.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		if e := rec.Entry(); e.Action == "deletion.preview" && e.Status == http.StatusOK && e.PersonCount > 0 && e.Count > 0 {
			logged++
		}
	}
	if logged != 2 {
		t.Errorf("%d previews are logged, want 2", logged)
	}
	w.call(http.MethodPost, "/v1/deletions/preview", `{"distinct_ids":[]}`, http.StatusBadRequest, nil)
	w.key = w.newKey(w.Project, project.Reader)
	w.call(http.MethodPost, "/v1/deletions/preview", `{"distinct_ids":["bob"]}`, http.StatusForbidden, nil)
}

// A preview lists a thousand identities of each kind, and counts the rest; of many
// persons fewer.
func TestPreviewOfMany(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute)
	firm, maybe := devices("firm", 1010), devices("maybe", 1003)
	w.linkAll("bob", person.Link{By: "token", Received: ago(time.Hour)}, firm...)
	w.linkAll("bob", person.Link{By: "token", Provisional: true, Received: ago(time.Hour)}, maybe...)
	for n, c := range map[int]struct{ listed, more, provisional, moreProvisional int }{
		1:    {1000, 11, 1000, 3},
		2000: {5, 1006, 5, 998},
	} {
		named := []string{`"bob"`}
		for i := range n - 1 {
			named = append(named, fmt.Sprintf("%q", fmt.Sprint("nobody", i)))
		}
		var p erase.Preview
		w.call(http.MethodPost, "/v1/deletions/preview", `{"distinct_ids":[`+strings.Join(named, ",")+`]}`, http.StatusOK, &p)
		b := p.Persons[0]
		if len(p.Persons) != n || len(b.Identities) != c.listed || b.More != c.more || len(b.Provisional) != c.provisional || b.MoreProvisional != c.moreProvisional {
			t.Errorf("of %d: got %d persons, %d and %d, provisional %d and %d; want %+v", n, len(p.Persons), len(b.Identities), b.More, len(b.Provisional), b.MoreProvisional, c)
		}
	}
}
