package person_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/emulators/local"
	functionperson "github.com/lethe-analytics/lethe/functions/person"
	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/project"
)

// privacyDesk is a world with a key for data-subject requests.
type privacyDesk struct {
	*world
	privacy string // key
}

func newPrivacyDesk(t testing.TB) *privacyDesk {
	w := newWorld(t)
	return &privacyDesk{w, w.newKey(project.Privacy)}
}

// call asks for something about a person with the privacy key.
func (d *privacyDesk) call(method, id, what, body string) *httptest.ResponseRecorder {
	d.t.Helper()
	return d.as(d.privacy, method, id, what, body)
}

func (d *privacyDesk) as(key, method, id, what, body string) *httptest.ResponseRecorder {
	d.t.Helper()
	return local.Call(d.t.Context(), d.handler, method, "/v1/people/"+url.PathEscape(id)+what, key, body)
}

func (d *privacyDesk) consents(id, query string) (a functionperson.ConsentHistory) {
	d.t.Helper()
	d.answered(d.call("GET", id, "/consent?"+query, ""), &a)
	return a
}

func (d *privacyDesk) doc(id string) (doc person.Doc) {
	d.t.Helper()
	snap, err := person.Ref(d.Default, d.Project.ID, person.MakeKey(d.Project.Secret, id)).Get(d.t.Context())
	if err == nil {
		err = snap.DataTo(&doc)
	}
	if err != nil {
		d.t.Fatal(err)
	}
	return doc
}

func TestConsent(t *testing.T) {
	t.Parallel()
	d := newPrivacyDesk(t)
	d.person(d.Project, "ann", person.Doc{DistinctID: "ann", FirstSeen: seen})
	d.person(d.Project, "gone", person.Doc{ErasedAt: seen, Consent: person.Consent{State: consent.Denied, At: seen}})
	// Who is there, who never was and who is no more, all are answered alike.
	ids := []string{"ann", "never seen", "a/b//☕😀", strings.Repeat("é", 127) + "x", strings.Repeat("é", 255)}
	for _, id := range ids {
		if got := strings.TrimSpace(d.call("GET", id, "/consent", "").Body.String()); got != `{"state":"unset","history":[]}` {
			t.Errorf("%q: %s", id, got)
		}
	}
	if a := d.consents("gone", ""); a.State != consent.Denied || len(a.History) > 0 {
		t.Errorf("%+v", a)
	}
	for _, id := range append(ids, "gone") {
		start := time.Now().Truncate(time.Microsecond)
		var first, second functionperson.Consent
		d.answered(d.call("PUT", id, "/consent", `{"state":"granted","purposes":{"ads":"denied","a.b/c":"granted"},"notice_version":"v2","source":"form"}`), &first)
		if first.State != consent.Granted || first.Basis != "consent" || first.Source != "form" || first.NoticeVersion != "v2" ||
			first.Purposes["ads"] != consent.Denied || first.Purposes["a.b/c"] != consent.Granted || first.At.Before(start) {
			t.Errorf("%q: %+v", id, first)
		}
		d.answered(d.call("PUT", id, "/consent", `{"state":"denied","basis":"contract"}`), &second)
		if second.State != consent.Denied || second.Source != "api" || len(second.Purposes) > 0 || second.NoticeVersion != "" {
			t.Errorf("%q: %+v", id, second)
		}
		a := d.consents(id, "")
		known := map[string]string{"ann": "ann"}[id]
		want := functionperson.ConsentHistory{Consent: second, History: []functionperson.SaidConsent{{Consent: second, DistinctID: known}, {Consent: first, DistinctID: known}}}
		if fmt.Sprint(a) != fmt.Sprint(want) || second.By != "key" {
			t.Errorf("%q: got %+v, want %+v", id, a, want)
		}
		snaps, err := d.Edge.GetAll(t.Context(), []*firestore.DocumentRef{person.OptOutRef(d.Edge, d.Project.ID, person.MakeKey(d.Project.Secret, id))})
		if err != nil {
			t.Fatal(err)
		}
		if o, err := person.ReadOptOut(snaps[0]); err != nil || o.State != consent.Denied || !o.At.Equal(second.At) {
			t.Errorf("%q: %+v %v", id, o, err)
		}
	}
	// Consent makes nobody appear.
	for _, id := range []string{"never seen", "gone"} {
		d.refused(d.call("GET", id, "", ""), http.StatusNotFound)
	}
	page := d.consents("ann", "limit=1")
	rest := d.consents("ann", "limit=1&cursor="+page.NextCursor)
	if len(page.History) != 1 || len(rest.History) != 1 || rest.NextCursor != "" || rest.History[0].State != consent.Granted || rest.State != consent.Denied {
		t.Errorf("%+v %+v", page, rest)
	}
}

func TestConsentRoles(t *testing.T) {
	t.Parallel()
	d := newPrivacyDesk(t)
	for _, what := range []string{"/consent", "/restriction"} {
		for _, method := range []string{"GET", "PUT"} {
			d.refused(d.as(d.key, method, "ann", what, `{"state":"granted"}`), http.StatusForbidden)
			d.refused(d.as("lethe_no", method, "ann", what, `{"state":"granted"}`), http.StatusUnauthorized)
		}
		if rec := d.as(d.newKey(project.Admin), "GET", "ann", what, ""); rec.Code != http.StatusOK {
			t.Error(rec.Code)
		}
	}
	d.refused(d.as(d.key, "DELETE", "ann", "/restriction", ""), http.StatusForbidden)
	d.refused(d.call("POST", "ann", "/consent", ""), http.StatusMethodNotAllowed)
	d.refused(d.call("DELETE", "ann", "/consent", ""), http.StatusMethodNotAllowed)
}

func TestBadConsents(t *testing.T) {
	t.Parallel()
	d := newPrivacyDesk(t)
	for body, field := range map[string]string{
		`{}`: "state", `{"state":"no"}`: "state", `{"state":"granted","basis":"x"}`: "basis", `{"state":"granted","purposes":{"":"granted"}}`: "purposes",
		`{"state":"granted","notice_version":"` + strings.Repeat("a", 256) + `"}`: "notice_version", `{"state":"granted","source":"` + strings.Repeat("a", 256) + `"}`: "source",
		`{"state":"granted","at":"2026-01-01T00:00:00Z"}`: "", `{"state":1}`: "", ``: "", `[]`: "",
	} {
		p := d.refused(d.call("PUT", "ann", "/consent", body), http.StatusBadRequest)
		if field != "" && (len(p.Errors) != 1 || p.Errors[0].Name != field) {
			t.Errorf("%s: %+v", body, p)
		}
	}
	d.refused(d.call("PUT", "ann", "/consent", `{"source":"`+strings.Repeat("a", 33<<10)+`"}`), http.StatusRequestEntityTooLarge)
	for _, id := range []string{"null", "a\x00", strings.Repeat("é", 256), "\xff"} {
		for _, method := range []string{"GET", "PUT"} {
			p := d.refused(d.call(method, id, "/consent", `{"state":"granted"}`), http.StatusBadRequest)
			if len(p.Errors) != 1 || p.Errors[0].Name != "distinct_id" {
				t.Errorf("%q: %+v", id, p)
			}
			d.refused(d.call(method, id, "/restriction", `{}`), http.StatusBadRequest)
		}
	}
	for query, field := range map[string]string{"cursor=x": "cursor", "limit=0": "limit", "limit=101": "limit", "x=1": "x"} {
		p := d.refused(d.call("GET", "ann", "/consent?"+query, ""), http.StatusBadRequest)
		if len(p.Errors) != 1 || p.Errors[0].Name != field {
			t.Errorf("%s: %+v", query, p)
		}
	}
	if got := d.consents("ann", ""); len(got.History) > 0 {
		t.Errorf("%+v", got)
	}
}

// What an SDK said shows in the history beside what was said by API.
func TestConsentFromBothSides(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	d := &privacyDesk{o.world, o.privacy}
	said := oldOp(0, person.ConsentOp, `{"state":"denied","source":"sdk"}`)
	o.deliver(nil, said)
	o.answered(d.call("PUT", "ann", "/consent", `{"state":"granted"}`), &functionperson.Consent{})
	o.deliver(nil, said) // again, late
	e := ev(1, "2026-02-01 12:00:00")
	e.Received, e.OptIn = event.Now(), true // the project's default denies
	o.deliver([]event.Event{e})
	a := d.consents("ann", "")
	if a.State != consent.Granted || len(a.History) != 2 || a.History[1].Source != "sdk" || a.History[1].State != consent.Denied {
		t.Errorf("%+v", a)
	}
	if ids, _ := o.page(""); len(ids) != 1 {
		t.Error(ids)
	}
}
