package person_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	functionperson "github.com/lethe-analytics/lethe/functions/person"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/identity"
)

// Nobody is linked to a placeholder or to itself, and who may not gets nothing done.
func TestBadLinks(t *testing.T) {
	t.Parallel()
	d := newPrivacyDesk(t)
	for body, field := range map[string]string{
		`{"distinct_id":"guest"}`: "distinct_id", `{"distinct_id":"[object Object]"}`: "distinct_id", `{"distinct_id":" "}`: "distinct_id", `{"distinct_id":"null"}`: "distinct_id",
		`{"distinct_id":"ann"}`: "distinct_id", `{"distinct_id":""}`: "distinct_id", `{"distinct_id":"` + strings.Repeat("é", 256) + `"}`: "distinct_id",
		`{}`: "distinct_id", `{"distinct_id":1}`: "", `{"distinct_id":"b","x":1}`: "", ``: "", `[]`: "",
	} {
		p := d.refused(d.call("POST", "ann", "/links", body), http.StatusBadRequest)
		if field != "" && (len(p.Errors) != 1 || p.Errors[0].Name != field) {
			t.Errorf("%s: got %+v, want a fault in %s", body, p, field)
		}
	}
	p := d.refused(d.call("POST", "guest", "/links", `{"distinct_id":"ann"}`), http.StatusBadRequest)
	if !strings.Contains(p.Detail, "placeholder") {
		t.Errorf("got %s, want it to say why", p.Detail)
	}
	if p := d.refused(d.call("DELETE", "ann", "/links/ann", ""), http.StatusBadRequest); len(p.Errors) != 1 || p.Errors[0].Name != "other" {
		t.Errorf("got %+v, want a fault in other", p)
	}
	d.refused(d.call("DELETE", "ann", "/links/bob", ""), http.StatusNotFound)
	d.refused(d.call("GET", "ann", "/links", ""), http.StatusNotFound)
	d.users("ann")
	for _, query := range []string{"cursor=x", "cursor=/ABC", "cursor=//", "limit=0", "limit=1001", "x=1"} {
		d.refused(d.call("GET", "ann", "/links?"+query, ""), http.StatusBadRequest)
	}
	d.refused(d.as(d.key, "GET", "ann", "/links", ""), http.StatusForbidden)
	d.refused(d.as(d.key, "POST", "ann", "/links", `{"distinct_id":"bob"}`), http.StatusForbidden)
	d.refused(d.as(d.key, "DELETE", "ann", "/links/bob", ""), http.StatusForbidden)
	if a := d.profile("ann"); len(a.Links) > 0 || len(a.Refused) > 0 {
		t.Errorf("got %+v, want nothing linked", a)
	}
}

// Links may be made before anything is known of the two.
func TestLinksOfTheUnseen(t *testing.T) {
	t.Parallel()
	d := newPrivacyDesk(t)
	var made functionperson.Link
	d.answered(d.call("POST", "a/b", "/links", `{"distinct_id":"c/d"}`), &made)
	if made.DistinctID != "c/d" || made.To != "a/b" {
		t.Errorf("got %+v, want c/d to be a/b's", made)
	}
	if rec := d.call("DELETE", "c/d", "/links/a%2Fb", ""); rec.Code != http.StatusNoContent {
		t.Errorf("got %d %s, want 204", rec.Code, rec.Body)
	}
	if linked := d.connect("c/d", "a/b", event.ByToken, time.Now()); linked.Outcome != identity.NoEffect {
		t.Errorf("got %+v, want that no token makes it again", linked)
	}
}
