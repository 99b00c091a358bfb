package person_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	functionperson "github.com/lethe-analytics/lethe/functions/person"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/project"
)

func (d *privacyDesk) restriction(method, id, body string) (a functionperson.Restricted) {
	d.t.Helper()
	d.answered(d.call(method, id, "/restriction", body), &a)
	return a
}

// A restricted person is hidden from readers, and from them alone, until it is
// lifted; what is of long ago too.
func TestRestriction(t *testing.T) {
	t.Parallel()
	d := newPrivacyDesk(t)
	id := "a/b☕"
	d.person(d.Project, id, person.Doc{DistinctID: id, FirstSeen: seen, Profile: `{"a":1}`})
	e := ev(1, "2019-02-01 12:00:00")
	e.DistinctID = id
	d.store(d.Project, e)
	visible := func(when string, want int) {
		t.Helper()
		for _, what := range []string{"", "/events", "/events?from=2019-02-01&to=2019-02-01"} {
			if rec := d.as(d.key, "GET", id, what, ""); rec.Code != want {
				t.Errorf("%s: reader: %q %d", when, what, rec.Code)
			}
			for _, role := range []project.Role{project.Privacy, project.Admin} {
				if rec := d.as(d.newKey(role), "GET", id, what, ""); rec.Code != http.StatusOK {
					t.Errorf("%s: %s: %q %d", when, role, what, rec.Code)
				}
			}
		}
	}
	visible("before", http.StatusOK)
	start := time.Now().Truncate(time.Microsecond)
	a := d.restriction("PUT", id, `{"reason":" accuracy is contested "}`)
	if !a.Restricted || a.Reason != "accuracy is contested" || a.Since.Before(start) {
		t.Errorf("%+v", a)
	}
	visible("restricted", http.StatusNotFound)
	p, q := d.refused(d.as(d.key, "GET", id, "", ""), 404), d.refused(d.as(d.key, "GET", "nobody", "", ""), 404)
	if p.Detail != q.Detail {
		t.Errorf("%+v %+v", p, q)
	}
	var profile functionperson.Profile
	d.answered(d.call("GET", id, "", ""), &profile)
	if profile.Restriction == nil || !profile.Restriction.Since.Equal(a.Since) || profile.Restriction.Reason != a.Reason {
		t.Errorf("%+v", profile)
	}
	b := d.restriction("PUT", id, `{"reason":"objection"}`)
	if !b.Since.Equal(a.Since) || b.Reason != "objection" {
		t.Errorf("%+v", b)
	}
	if c := d.restriction("GET", id, ""); c != b {
		t.Errorf("%+v, want %+v", c, b)
	}
	doc := d.doc(id)
	if doc.Restriction == nil || doc.Restriction.Actor != project.Hash(d.privacy) || doc.Profile != `{"a":1}` {
		t.Errorf("%+v", doc)
	}
	for range 2 {
		if got := strings.TrimSpace(d.call("DELETE", id, "/restriction", "").Body.String()); got != `{"restricted":false}` {
			t.Error(got)
		}
	}
	visible("lifted", http.StatusOK)
	if got := d.call("GET", id, "", "").Body.String(); strings.Contains(got, "restriction") {
		t.Error(got)
	}
}

// A restriction is the person's, whichever of the identities is named, and begins with
// the first.
func TestRestrictionOfAPerson(t *testing.T) {
	t.Parallel()
	d := newPrivacyDesk(t)
	all := []string{"uma", "ann", "bob"}
	for _, id := range append(all, "cleo") {
		d.person(d.Project, id, person.Doc{DistinctID: id})
	}
	d.person(d.Project, "bob", person.Doc{DistinctID: "bob", Restriction: &person.Restriction{Since: seen, Reason: "old"}})
	d.link("ann", "uma")
	d.link("bob", "ann")
	if a := d.restriction("PUT", "ann", `{}`); !a.Since.Equal(seen) {
		t.Errorf("got %+v, want it to be since %v", a, seen)
	}
	for _, id := range all {
		if a := d.restriction("GET", id, ""); !a.Restricted || !a.Since.Equal(seen) || a.Reason != "" {
			t.Errorf("%s: got %+v, want it restricted since %v", id, a, seen)
		}
		d.refused(d.as(d.key, "GET", id, "", ""), http.StatusNotFound)
		if got, want := d.doc(id).Restriction != nil, id == "uma"; got != want {
			t.Errorf("%s: a restriction on the document: got %v, want %v", id, got, want)
		}
	}
	d.restriction("DELETE", "bob", "")
	for _, id := range append(all, "cleo") {
		if doc := d.doc(id); doc.Restriction != nil || doc.DistinctID != id {
			t.Errorf("%s: got %+v, want no restriction", id, doc)
		}
	}
}

// Who was never seen is restricted as others are, and does not come to be by it.
func TestRestrictionOfTheUnknown(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	d := &privacyDesk{o.world, o.privacy}
	if got := strings.TrimSpace(d.call("GET", "ann", "/restriction", "").Body.String()); got != `{"restricted":false}` {
		t.Error(got)
	}
	d.restriction("DELETE", "ann", "")
	if snap, err := o.personRef("ann").Get(t.Context()); err == nil && snap.Exists() {
		t.Error("lifting what is not there made a document")
	}
	if a := d.restriction("PUT", "ann", `{"reason":"x"}`); !a.Restricted {
		t.Errorf("%+v", a)
	}
	d.refused(d.call("GET", "ann", "", ""), http.StatusNotFound)
	e := ev(1, "2026-02-01 12:00:00")
	o.deliver([]event.Event{e})
	d.refused(d.as(d.key, "GET", "ann", "/events", ""), http.StatusNotFound)
	if rec := d.call("GET", "ann", "/events", ""); rec.Code != http.StatusOK {
		t.Error(rec.Code)
	}
	d.restriction("DELETE", "ann", "")
	if ids, _ := o.page(""); len(ids) != 1 {
		t.Error(ids)
	}
}

func TestBadRestrictions(t *testing.T) {
	t.Parallel()
	d := newPrivacyDesk(t)
	for _, body := range []string{``, `[]`, `{"reason":1}`, `{"since":"2026-01-01T00:00:00Z"}`} {
		d.refused(d.call("PUT", "ann", "/restriction", body), http.StatusBadRequest)
	}
	p := d.refused(d.call("PUT", "ann", "/restriction", `{"reason":"`+strings.Repeat("é", 501)+`"}`), http.StatusBadRequest)
	if len(p.Errors) != 1 || p.Errors[0].Name != "reason" {
		t.Errorf("%+v", p)
	}
	d.refused(d.call("DELETE", "ann", "/restriction?x=1", ""), http.StatusBadRequest)
	d.refused(d.call("POST", "ann", "/restriction", ""), http.StatusMethodNotAllowed)
	if a := d.restriction("GET", "ann", ""); a.Restricted {
		t.Errorf("%+v", a)
	}
}
