package dashboard_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/staff"
)

// What is known of a person is shown, page by page; no URL names the person.
func TestPerson(t *testing.T) {
	t.Parallel()
	o := newBureau(t)
	for day := range 60 {
		o.happened("Paid", day+1, `{"plan":"pro","amount":5}`, "ann@example.com")
	}
	o.happened("Signed up", 90, `{"note":"<b>bold</b>"}`, "ann@example.com")
	b := o.signIn(o.newKey(project.Admin))
	first := b.get("/person", http.StatusOK)
	has(t, first, "distinct_id", "Look up")
	labelled(t, first)
	to := b.find("ann@example.com")
	rec := b.get(to, http.StatusOK)
	labelled(t, rec)
	has(t, rec, "ann@example.com", "First seen", "nothing said", "Export", "Correct", "Delete", "No profile", "Set consent", "Not restricted", "No legal hold", "Paid", "amount: 5, plan: pro", "Older events")
	if got := b.records(to + "&format=csv&table=timeline"); len(got) != 51 || got[1][1] != "Paid" {
		t.Error(len(got), got[1])
	}
	older := regexpMore.FindStringSubmatch(rec.Body.String())
	has(t, b.get(strings.ReplaceAll(older[1], "&amp;", "&"), http.StatusOK), "Signed up", "&lt;b&gt;")
	has(t, b.get(to+"&from="+day(3)+"&to="+day(2), http.StatusOK), "Paid")
	lacks(t, b.get(to+"&from="+day(3)+"&to="+day(2), http.StatusOK), "Older events")
	has(t, b.get(to+"&from=x", http.StatusOK), `role="alert"`, "from")

	has(t, b.get(b.find("bob"), http.StatusOK), "Nothing is known of this distinct_id", "Set consent")
	has(t, b.post("/person", url.Values{"do": {"find"}}, http.StatusBadRequest), "Enter a distinct_id")

	// The link is good in this session alone.
	b.get("/person?p=x", http.StatusNotFound)
	o.signIn(o.newKey(project.Admin)).get(to, http.StatusNotFound)
}

// Consent, restriction and hold are what the API then tells.
func TestPersonStates(t *testing.T) {
	t.Parallel()
	o := newBureau(t)
	o.happened("Paid", 1, `{}`, "ann")
	b := o.signIn(o.newKey(project.Admin))
	to := b.find("ann")
	next := b.goes(to, url.Values{"do": {"consent"}, "state": {"denied"}, "basis": {"consent"}, "notice_version": {"2026-11"}, "source": {"a letter"}})
	has(t, b.get(next, http.StatusOK), "Consent is set", "History of consent", "denied", "2026-11", "a letter")
	var said struct {
		State, Basis, Source string
		Notice               string `json:"notice_version"`
	}
	if o.ask("/v1/people/ann/consent", &said); said.State != "denied" || said.Basis != "consent" || said.Source != "a letter" || said.Notice != "2026-11" {
		t.Errorf("%+v", said)
	}
	wrong := b.post(to, url.Values{"do": {"consent"}, "state": {"perhaps"}, "source": {"a call"}}, http.StatusBadRequest)
	has(t, wrong, `<details class="card fold" open>`, `role="alert"`, `aria-invalid="true"`, "must be granted, denied or unset", `value="a call"`)
	labelled(t, wrong)

	var held struct{ Restricted, Held bool }
	has(t, b.get(b.goes(to, url.Values{"do": {"restrict"}, "reason": {"disputed"}}), http.StatusOK), "The person is restricted", "disputed", "Lift the restriction")
	if o.ask("/v1/people/ann/restriction", &held); !held.Restricted {
		t.Error("not restricted")
	}
	b.goes(to, url.Values{"do": {"unrestrict"}})
	if o.ask("/v1/people/ann/restriction", &held); held.Restricted {
		t.Error("still restricted")
	}
	has(t, b.post(to, url.Values{"do": {"hold"}}, http.StatusBadRequest), "must have 1 to 1000 characters")
	b.goes(to, url.Values{"do": {"hold"}, "reason": {"a lawsuit"}})
	if o.ask("/v1/retention/holds/ann", &held); !held.Held {
		t.Error("not held")
	}
	has(t, b.get(to, http.StatusOK), "a lawsuit", "End the hold")
	b.goes(to, url.Values{"do": {"unhold"}})
	if o.ask("/v1/retention/holds/ann", &held); held.Held {
		t.Error("still held")
	}
}

// A reader sees the person and no button; what a reader sends all the same the API refuses.
func TestPersonReader(t *testing.T) {
	t.Parallel()
	o := newBureau(t)
	o.happened("Paid", 1, `{}`, "ann")
	b := o.signIn(o.newKey(project.Reader))
	to := b.find("ann")
	rec := b.get(to, http.StatusOK)
	has(t, rec, "takes a key of the role privacy or admin", "Paid")
	lacks(t, rec, "Set consent", "Restrict…", "Put on hold", "Export…", "Delete…", "Correct…", "Take back…", "Confirm a link…", "Link another id…", `href="/settings"`, `href="/access-log"`)
	for _, form := range []url.Values{
		{"do": {"consent"}, "state": {"denied"}}, {"do": {"restrict"}}, {"do": {"unrestrict"}}, {"do": {"hold"}, "reason": {"x"}},
		{"do": {"export"}, "format": {"json"}}, {"do": {"sure"}}, {"do": {"link"}, "distinct_id": {"bob"}}, {"do": {"unlink"}, "other": {"bob"}}, {"do": {"rectify"}, "in": {"profile"}, "property": {"a"}, "value": {"1"}, "reason": {"r"}},
	} {
		has(t, b.post(to, form, http.StatusForbidden), "You may not see this")
	}
	for _, path := range []string{"/access-log", "/settings", "/settings/keys", "/settings/retention", "/data-requests/exports/5f6f0c84-4f7c-4b3a-9d6b-0b8d5c1d7a11"} {
		b.get(path, http.StatusForbidden)
	}
	has(t, b.get("/data-requests", http.StatusOK), "take a key of the role privacy")
	var said struct{ State string }
	if o.ask("/v1/people/ann/consent", &said); said.State != "unset" {
		t.Error(said)
	}
}

// Staff see what their role and grant allow, and are told what they do not.
func TestPersonStaff(t *testing.T) {
	t.Parallel()
	o := newBureau(t)
	o.happened("Paid", 1, `{}`, "ann")
	o.member(sue, staff.Support, true)
	token, err := o.issuer.Token(sue, nil)
	if err != nil {
		t.Fatal(err)
	}
	b := o.browser()
	b.cookies["__Host-lethe-project"] = o.Project.ID
	rec := local.Call(t.Context(), o.api, http.MethodPost, "/v1/sessions", token, "")
	b.cookies["__Host-lethe-session"] = secretOf(t, rec.Body.Bytes())
	page := b.get(b.find("ann"), http.StatusOK)
	has(t, page, "First seen", "Export…", "Delete…", "Your role does not see a person&#39;s events")
	lacks(t, page, "Set consent", "Correct…", "Put on hold", "Paid")
}
