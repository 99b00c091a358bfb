package dashboard_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/functions/admin"
	"github.com/lethe-analytics/lethe/functions/dashboard"
	"github.com/lethe-analytics/lethe/functions/person"
	"github.com/lethe-analytics/lethe/functions/report"
	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/request"
	"github.com/lethe-analytics/lethe/shared/staff"
)

// TestMain has the tests stand behind no gateway, whose environment they may have.
func TestMain(m *testing.M) {
	_ = os.Unsetenv("LETHE_TRUSTED_HOPS")
	os.Exit(m.Run())
}

var issuer = sync.OnceValues(local.StartIssuer)

// root is the first privacy officer; sue, of the support, has all attestations.
const (
	root = "root@example.com"
	sue  = "sue@example.com"
)

// world is a tenant, the API at an address of its own, and the dashboard, which knows
// nothing but that address.
type world struct {
	*local.Tenant
	t         *testing.T
	issuer    *local.Issuer
	api       *http.ServeMux
	apiURL    string
	dashboard http.Handler
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{Tenant: local.NewTenant(t, nil), t: t, api: http.NewServeMux()}
	var err error
	if w.issuer, err = issuer(); err != nil {
		t.Fatal(err)
	}
	verifier, err := staff.NewVerifier(context.Background(), staff.Config{Audience: local.StaffAudience, Issuer: w.issuer.URL, CertsURL: w.issuer.CertsURL(), Root: root})
	if err != nil {
		t.Fatal(err)
	}
	guard := access.NewGuard(w.Default, w.OpenLog(t)).WithStaff(verifier)
	w.api.Handle("/v1/", admin.New(admin.Config{Config: w.Config, Timeout: time.Minute}, guard, admin.Stores{DB: w.Default, Edge: w.Edge}))
	w.api.Handle("/v1/reports/", report.New(report.Config{Config: w.Config, Timeout: time.Minute}, guard, w.Default))
	w.api.Handle("/v1/people/", person.New(person.Config{Timeout: time.Minute}, guard, w.Databases, request.Publishers{}, nil))
	server := httptest.NewServer(w.api)
	t.Cleanup(server.Close)
	w.apiURL = server.URL
	w.dashboard = w.newDashboard(server.URL)
	return w
}

// newDashboard is one that calls the API at an address.
func (w *world) newDashboard(api string) http.Handler {
	w.t.Helper()
	d, err := dashboard.New(dashboard.Config{APIURL: api, PublicURL: "https://lethe.example.com", Timeout: time.Minute,
		StaffClient: local.StaffAudience, StaffSecret: local.StaffSecret, StaffAuthURL: w.issuer.URL + "/auth", StaffTokenURL: w.issuer.URL + "/oauth/token"})
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

func (w *world) newKey(role project.Role) string {
	w.t.Helper()
	key, err := project.NewKey(w.t.Context(), w.Default, w.Project.ID, role)
	if err != nil {
		w.t.Fatal(err)
	}
	return key
}

// member enters a member of staff with all attestations, and a live grant if asked.
func (w *world) member(email string, role staff.Role, grant bool) {
	w.t.Helper()
	now := time.Now().UTC()
	if _, err := staff.Ref(w.Default, email).Set(w.t.Context(), staff.Member{Role: role, Confidentiality: staff.Confidentiality{Version: "1", At: now}, TrainingAt: now}); err != nil {
		w.t.Fatal(err)
	}
	if !grant {
		return
	}
	g := staff.Grant{Project: w.Project.ID, Member: email, Role: role, Purposes: access.Purposes(role), Status: staff.Approved, Reason: "a ticket", Created: now, Expires: now.Add(time.Hour)}
	if _, err := w.Default.Collection("grants").NewDoc().Create(w.t.Context(), g); err != nil {
		w.t.Fatal(err)
	}
}

// happened stores an event of each person, some days ago.
func (w *world) happened(name string, daysAgo int, properties string, persons ...string) {
	w.t.Helper()
	at := time.Now().UTC().AddDate(0, 0, -daysAgo).Truncate(24 * time.Hour)
	for _, p := range persons {
		w.Store(w.t, w.Project, event.Event{Name: name, DistinctID: p, InsertID: name + p + at.String(), Time: event.Millis(at.UnixMilli()), Received: 1, Properties: properties})
	}
}

// browser is one with cookies; it takes secure ones as if the dashboard were at https.
type browser struct {
	*world
	cookies map[string]string
}

func (w *world) browser() *browser { return &browser{w, map[string]string{}} }

// signIn is a browser in which a key has signed in.
func (w *world) signIn(key string) *browser {
	w.t.Helper()
	b := w.browser()
	if rec := b.post("/sign-in", url.Values{"key": {key}}, http.StatusSeeOther); rec.Header().Get("Location") != "/" {
		w.t.Fatal(rec.Header())
	}
	return b
}

// get asks for a page, which must be answered with a status.
func (b *browser) get(path string, want int) *httptest.ResponseRecorder {
	b.t.Helper()
	return b.ask(httptest.NewRequestWithContext(b.t.Context(), http.MethodGet, path, nil), want)
}

// post sends a form of the dashboard's own.
func (b *browser) post(path string, form url.Values, want int) *httptest.ResponseRecorder {
	b.t.Helper()
	r := httptest.NewRequestWithContext(b.t.Context(), http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.ask(r, want)
}

func (b *browser) ask(r *http.Request, want int) *httptest.ResponseRecorder {
	b.t.Helper()
	r.Header.Set("Accept", "text/html")
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	rec := httptest.NewRecorder()
	b.dashboard.ServeHTTP(rec, r)
	if rec.Code != want {
		b.t.Fatalf("%s %s: %d, want %d\n%s", r.Method, r.URL, rec.Code, want, rec.Body)
	}
	for _, c := range rec.Result().Cookies() {
		if !strings.HasPrefix(c.Name, "__Host-") || !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" || c.SameSite != http.SameSiteLaxMode {
			b.t.Errorf("%s sets %s", r.URL, c.Raw)
		}
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c.Value
		}
	}
	return rec
}

// has checks that a page has texts, in this order.
func has(t *testing.T, rec *httptest.ResponseRecorder, texts ...string) {
	t.Helper()
	rest := rec.Body.String()
	for _, text := range texts {
		_, after, ok := strings.Cut(rest, text)
		if !ok {
			t.Fatalf("lacks %q, or not in this order:\n%s", text, rec.Body)
		}
		rest = after
	}
}
