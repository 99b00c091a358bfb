package dashboard_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/staff"
)

func TestSignIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	to := b.get("/?from=2026-01-01&to=2026-01-02", http.StatusSeeOther).Header().Get("Location")
	if to != "/sign-in?next=%2F%3Ffrom%3D2026-01-01%26to%3D2026-01-02" {
		t.Fatal(to)
	}
	has(t, b.get(to, http.StatusOK), `name="next" value="/?from=2026-01-01&amp;to=2026-01-02"`, "Sign in with Google")
	for _, key := range []string{"", "no key", "lethe_unknown", strings.Repeat("x", 300)} {
		rec := b.post("/sign-in", url.Values{"key": {key}}, map[bool]int{true: http.StatusUnauthorized, false: http.StatusBadRequest}[key == "lethe_unknown"])
		has(t, rec, `role="alert"`)
		if key != "" && strings.Contains(rec.Body.String(), key) || len(b.cookies) > 0 {
			t.Errorf("%q: %v %s", key, b.cookies, rec.Body)
		}
	}
	rec := b.post("/sign-in", url.Values{"key": {" " + w.Key + " "}, "next": {"/?from=2026-01-01"}}, http.StatusSeeOther)
	secret := b.cookies["__Host-lethe-session"]
	if rec.Header().Get("Location") != "/?from=2026-01-01" || !strings.HasPrefix(secret, "lethe_session_") {
		t.Fatal(rec.Header(), b.cookies)
	}
	has(t, b.get("/", http.StatusOK), "<strong>app</strong>", "admin", "Sign out", `aria-current="page"`)

	b.post("/sign-out", nil, http.StatusSeeOther)
	if len(b.cookies) != 0 {
		t.Error(b.cookies)
	}
	b.cookies["__Host-lethe-session"] = secret // a copy is of no use
	b.get("/", http.StatusSeeOther)
	for _, next := range []string{"//evil.example", "https://evil.example", `/\evil.example`, "evil", "/\t/evil.example"} {
		if to := w.browser().post("/sign-in", url.Values{"key": {w.Key}, "next": {next}}, http.StatusSeeOther).Header().Get("Location"); to != "/" {
			t.Errorf("%q leads to %q", next, to)
		}
	}
}

// A key that is revoked ends the session at the next page.
func TestSessionEndsWithItsKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := w.newKey(project.Reader)
	b := w.signIn(key)
	b.get("/", http.StatusOK)
	if _, err := w.Default.Doc("keys/" + project.Hash(key)).Delete(t.Context()); err != nil {
		t.Fatal(err)
	}
	if to := b.get("/", http.StatusSeeOther).Header().Get("Location"); !strings.HasPrefix(to, "/sign-in") || len(b.cookies) != 0 {
		t.Error(to, b.cookies)
	}
}

// What another site has a browser post is refused, whatever cookies go with it.
func TestCrossOrigin(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.signIn(w.Key)
	for header, value := range map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"} {
		for _, path := range []string{"/sign-out", "/sign-in", "/project"} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(""))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set(header, value)
			b.ask(r, http.StatusForbidden)
		}
	}
	b.get("/", http.StatusOK)
}

// Every answer has the policy, and no page has what it forbids.
func TestHeaders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.signIn(w.Key)
	w.happened("Signed up", 0, `{}`, "ann")
	for path, code := range map[string]int{"/": 200, "/sign-in": 200, "/nothing": 404, "/static/style.css": 200, "/static/": 404, "/static/nothing": 404} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.URL.Path = path
		rec := b.ask(r, code)
		h := rec.Header()
		if h.Get("Content-Security-Policy") != "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'" ||
			h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Strict-Transport-Security") == "" || h.Get("Referrer-Policy") != "same-origin" {
			t.Errorf("%s: %v", path, h)
		}
		for _, not := range []string{" style=", "<style", "<script", "javascript:", " onclick", `src="http`, `href="http`} {
			if strings.Contains(rec.Body.String(), not) {
				t.Errorf("%s has %s", path, not)
			}
		}
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/nothing", nil)
	rec := httptest.NewRecorder()
	w.dashboard.ServeHTTP(rec, r)
	if rec.Code != http.StatusNotFound || rec.Header().Get("Content-Type") != "application/problem+json" {
		t.Error(rec.Code, rec.Header())
	}
}

// An API that is down is told in words, with the request's id and no address.
func TestAPIDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.signIn(w.Key)
	gone := httptest.NewServer(nil)
	gone.Close()
	w.dashboard = w.newDashboard(gone.URL)
	rec := b.get("/", http.StatusServiceUnavailable)
	has(t, rec, "<h1>Not available just now</h1>", "The API did not answer", "try again", "<code>"+rec.Header().Get("X-Request-Id")+"</code>")
	if strings.Contains(rec.Body.String(), "127.0.0.1") {
		t.Error(rec.Body)
	}
}

// An API that does not answer a form may have done what the form asks for.
func TestAPIDownAfterAForm(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.signIn(w.Key)
	to := b.find("ann")
	w.api.HandleFunc("PUT /v1/people/{id}/restriction", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	rec := b.post(to, url.Values{"do": {"restrict"}}, http.StatusServiceUnavailable)
	has(t, rec, "The API did not answer", "may or may not have done")
	if body := rec.Body.String(); strings.Contains(body, "Nothing was changed") || strings.Contains(body, "Reload") {
		t.Error(body)
	}
}

// withGoogle goes through the code flow and gives where it ends.
func (b *browser) withGoogle(email string, want int) *httptest.ResponseRecorder {
	b.t.Helper()
	to := b.get("/sign-in/staff", http.StatusSeeOther).Header().Get("Location")
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Get(to + "&email=" + url.QueryEscape(email))
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	back, ok := strings.CutPrefix(resp.Header.Get("Location"), "https://lethe.example.com")
	if !ok {
		b.t.Fatal(resp.Status, resp.Header)
	}
	return b.get(back, want)
}

func TestStaffSignIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.member(sue, staff.Support, true)
	b := w.browser()
	if to := b.withGoogle(sue, http.StatusSeeOther).Header().Get("Location"); to != "/project" {
		t.Fatal(to)
	}
	if to := b.get("/", http.StatusSeeOther).Header().Get("Location"); to != "/project" {
		t.Error(to) // none is chosen
	}
	has(t, b.get("/project", http.StatusOK), sue, "support", "a ticket", "Open app")
	b.post("/project", url.Values{"project": {"../x"}}, http.StatusBadRequest)
	b.post("/project", url.Values{"project": {w.Project.ID}}, http.StatusSeeOther)
	// The API refuses reports to staff, and the page says why.
	has(t, b.get("/", http.StatusForbidden), "You may not see this", "no role of the staff may do this")

	for email, why := range map[string]string{"nobody@example.com": "not of a member of staff", root: "confidentiality"} {
		other := w.browser()
		has(t, other.withGoogle(email, http.StatusForbidden), why)
		if len(other.cookies) != 0 {
			t.Error(other.cookies)
		}
	}
}

// A sign-in that was not begun in this browser, or is played again, is none.
func TestStaffSignInForged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.member(sue, staff.Support, true)
	b := w.browser()
	b.get("/sign-in/staff/done?code=x&state=y", http.StatusBadRequest)
	b.get("/sign-in/staff", http.StatusSeeOther)
	b.get("/sign-in/staff/done?code=x&state=wrong", http.StatusBadRequest)
	if len(b.cookies) != 0 {
		t.Error(b.cookies)
	}
	b.get("/sign-in/staff", http.StatusSeeOther)
	state, _, _ := strings.Cut(b.cookies["__Host-lethe-sign-in"], ".")
	b.get("/sign-in/staff/done?code=unknown&state="+state, http.StatusBadRequest)

	// A nonce that is not the browser's: the cookie's is changed on the way.
	to := b.get("/sign-in/staff", http.StatusSeeOther).Header().Get("Location")
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("nonce", "another")
	q.Set("email", sue)
	u.RawQuery = q.Encode()
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Get(u.String())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	has(t, b.get(strings.TrimPrefix(resp.Header.Get("Location"), "https://lethe.example.com"), http.StatusBadRequest), "does not match")
	if len(b.cookies) != 0 {
		t.Error(b.cookies)
	}
}

// unread is a body that must not be read.
type unread struct{ t *testing.T }

// Read implements io.Reader.
func (u unread) Read([]byte) (int, error) {
	u.t.Error("the form is read")
	return 0, io.EOF
}

// The form of who is not signed in is not read: it may be large.
func TestFormOfNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, session := range []string{"", "lethe_session_nobody's"} {
		b := w.browser()
		b.cookies["__Host-lethe-session"] = session
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/data-requests/new", unread{t})
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		if rec := b.ask(r, http.StatusSeeOther); rec.Header().Get("Location") != "/sign-in?next=%2F" {
			t.Error(rec.Header())
		}
	}
}
