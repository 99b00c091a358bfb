package dashboard_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/identity"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/staff"
)

var onceShown = regexp.MustCompile(`<pre tabindex="0"><code>([^<]+)</code></pre><p>This is the only time`)

func shownOnce(t *testing.T, rec *httptest.ResponseRecorder) string {
	t.Helper()
	m := onceShown.FindStringSubmatch(rec.Body.String())
	if m == nil {
		t.Fatalf("no secret:\n%s", rec.Body)
	}
	return m[1]
}

// Each page of the settings shows itself, and a form that the API refuses keeps what was typed.
func TestSettings(t *testing.T) {
	t.Parallel()
	o := newBureau(t)
	b := o.signIn(o.newKey(project.Admin))
	for path, text := range map[string]string{"": "Evidence for an auditor", "/retention": "In force", "/consent": "Who has said nothing", "/keys": "New key", "/tokens": "New token",
		"/webhooks": "No webhooks yet", "/agreement": "data processing agreement", "/staff": "Nobody of the staff has asked", "/contacts": "Nobody is told of an incident"} {
		rec := b.get("/settings"+path, http.StatusOK)
		labelled(t, rec)
		has(t, rec, `aria-current="page">Settings`, `aria-current="page"`, text)
	}
	file := b.get("/settings/evidence?format=jws", http.StatusOK)
	if file.Header().Get("Content-Disposition") != `attachment; filename="evidence.jws"` || strings.Count(file.Body.String(), ".") != 2 {
		t.Error(file.Header())
	}
	var bundle map[string]any
	if err := json.Unmarshal(b.get("/settings/evidence?format=json", http.StatusOK).Body.Bytes(), &bundle); err != nil {
		t.Error(err)
	}

	has(t, b.post("/settings/contacts", url.Values{"do": {"contacts"}, "emails": {"a@example.com\nnobody"}}, http.StatusBadRequest), "a@example.com\nnobody", "Line 2: is not an e-mail address")
	has(t, b.get(b.goes("/settings/contacts", url.Values{"do": {"contacts"}, "emails": {"a@example.com\r\n"}}), http.StatusOK), "Saved", "a@example.com")
	var told struct{ Emails []string }
	if o.ask("/v1/project/contacts", &told); len(told.Emails) != 1 {
		t.Error(told)
	}

	others := project.Settings{Consent: consent.Defaults{Default: consent.Granted}, UserIDs: identity.UserIDsUUID} // which the form leaves as they are
	if err := project.SetSettings(t.Context(), o.Databases, o.Project.ID, others, "", 0); err != nil {
		t.Fatal(err)
	}
	good := url.Values{"do": {"consent"}, "version": {"0"}, "consent.default": {"denied"}, "consent.regions": {"US granted\nDE denied"}, "consent.gpc": {"on"}}
	has(t, b.post("/settings/consent", url.Values{"do": {"consent"}, "version": {"0"}, "consent.default": {"denied"}, "consent.regions": {"Germany is denied"}}, http.StatusBadRequest), "Germany is denied", "Line 1")
	has(t, b.get(b.goes("/settings/consent", good), http.StatusOK), "Saved", "DE denied\nUS granted", "DE denied, US granted", "heeded", "ignored")
	var p struct {
		Settings struct {
			Consent struct {
				Default  string
				Regions  map[string]string
				GPC, DNT bool
			}
			UserIDs string `json:"user_ids"`
		}
	}
	if o.ask("/v1/project", &p); p.Settings.Consent.Default != "denied" || p.Settings.UserIDs != "uuid" || p.Settings.Consent.Regions["US"] != "granted" || !p.Settings.Consent.GPC || p.Settings.Consent.DNT {
		t.Errorf("%+v", p)
	}
	good.Set("version", "999")
	good.Set("consent.dnt", "on")
	has(t, b.post("/settings/consent", good, http.StatusConflict), `role="alert"`)
}

// Less is kept only after a preview, a confirmation and a day, and can be taken back.
func TestSettingsRetention(t *testing.T) {
	t.Parallel()
	o := newBureau(t)
	o.happened("Paid", 100, `{}`, "ann")
	o.happened("Page viewed", 60, `{}`, "ann")
	o.happened("Paid", 1, `{}`, "ann")
	b := o.signIn(o.newKey(project.Admin))
	page := "/settings/retention"
	ask := url.Values{"do": {"preview"}, "retention_days": {"90"}, "rules": {"30 event Page viewed"}}
	rec := b.post(page, ask, http.StatusOK)
	has(t, rec, "Change the retention?", "90 days", "Events that would be purged today</dt><dd>2</dd>", "Change it", "Page viewed", "No, go back")
	var now struct {
		Days    *int `json:"retention_days"`
		Pending *struct {
			Days *int `json:"retention_days"`
		}
		Hold struct{ Held bool }
	}
	if o.ask("/v1/retention", &now); now.Pending != nil || *now.Days == 90 {
		t.Fatal("a preview has changed something")
	}
	ask.Set("do", "confirm")
	has(t, b.get(b.goes(page, ask), http.StatusOK), "The change waits for 24 hours", "Waiting", "90 days", "Take it back")
	if o.ask("/v1/retention", &now); now.Pending == nil || *now.Pending.Days != 90 {
		t.Fatalf("%+v", now)
	}
	b.goes(page, url.Values{"do": {"take-back"}})
	now.Pending = nil
	if o.ask("/v1/retention", &now); now.Pending != nil {
		t.Error("not taken back")
	}
	has(t, b.post(page, url.Values{"do": {"take-back"}}, http.StatusNotFound), "no change is pending")
	has(t, b.post(page, url.Values{"do": {"preview"}, "retention_days": {"0"}}, http.StatusBadRequest), `value="0"`, "must be from 1 to")
	has(t, b.post(page, url.Values{"do": {"preview"}, "retention_days": {"90"}, "rules": {"30 event A\nfor ever"}}, http.StatusBadRequest), "for ever", "Line 2")
	has(t, b.post(page, url.Values{"do": {"preview"}, "retention_days": {"90"}, "rules": {"30 event A\n99 event B"}}, http.StatusBadRequest), "Line 2")
	has(t, b.get(b.goes(page, url.Values{"do": {"hold"}, "reason": {"a lawsuit"}}), http.StatusOK), "a lawsuit", "End the hold")
	if o.ask("/v1/retention", &now); !now.Hold.Held {
		t.Error("not held")
	}
	b.goes(page, url.Values{"do": {"unhold"}})
	if o.ask("/v1/retention", &now); now.Hold.Held {
		t.Error("still held")
	}
}

// Keys and tokens: what is made is told once, works, and ends with its revocation.
func TestSettingsKeys(t *testing.T) {
	t.Parallel()
	o := newBureau(t)
	b := o.signIn(o.newKey(project.Admin))
	other := newBureau(t)
	stranger := other.signIn(other.newKey(project.Admin))
	status := func(key string) int {
		return local.Call(t.Context(), o.api, http.MethodGet, "/v1/sessions/current", key, "").Code
	}
	wrong := b.post("/settings/keys", url.Values{"do": {"create"}, "name": {"nightly"}, "role": {"reader"}, "ip_ranges": {"10.0.0.0/8\r\n1.2.3"}}, http.StatusBadRequest)
	has(t, wrong, `value="nightly"`, "1.2.3", "Line 2: must be a range of addresses")
	labelled(t, wrong)
	made := b.post("/settings/keys", url.Values{"do": {"create"}, "name": {"nightly"}, "role": {"reader"}, "expires_at": {time.Now().AddDate(1, 0, 0).Format(time.DateOnly)}}, http.StatusOK)
	secret := shownOnce(t, made)
	list := b.get("/settings/keys", http.StatusOK)
	lacks(t, list, secret)
	path := regexp.MustCompile(`href="(/settings/keys/[0-9a-f]{16})">nightly`).FindStringSubmatch(list.Body.String())[1]
	stranger.get(path, http.StatusNotFound)
	stranger.post(path, url.Values{"do": {"revoke"}, "sure": {"on"}}, http.StatusNotFound)
	second := shownOnce(t, b.post(path, url.Values{"do": {"rotate"}, "overlap": {"1h"}}, http.StatusOK))
	if status(secret) == http.StatusUnauthorized || status(second) == http.StatusUnauthorized {
		t.Error("a secret does not work")
	}
	has(t, b.post(path, url.Values{"do": {"revoke"}}, http.StatusBadRequest), "Set the box")
	has(t, b.get(b.goes(path, url.Values{"do": {"revoke"}, "sure": {"on"}}), http.StatusOK), "It is revoked")
	if status(secret) != http.StatusUnauthorized || status(second) != http.StatusUnauthorized {
		t.Error("a revoked secret works")
	}

	has(t, b.post("/settings/tokens", url.Values{"do": {"create"}, "name": {"web"}, "origins": {"https://app.example/path"}}, http.StatusBadRequest), "Line 1: must be an origin")
	token := shownOnce(t, b.post("/settings/tokens", url.Values{"do": {"create"}, "name": {"web"}, "origins": {"https://app.example"}, "rate_limit": {"50"}}, http.StatusOK))
	list = b.get("/settings/tokens", http.StatusOK)
	lacks(t, list, token)
	path = regexp.MustCompile(`href="(/settings/tokens/[0-9a-f]{16})">web`).FindStringSubmatch(list.Body.String())[1]
	stranger.get(path, http.StatusNotFound)
	has(t, b.get(b.goes(path, url.Values{"do": {"change"}, "name": {"web shop"}, "origins": {"https://shop.example"}}), http.StatusOK), "Saved", "https://shop.example")
	var all struct {
		Tokens []struct {
			ID, Name  string
			Origins   []string
			RateLimit int `json:"rate_limit"`
			Secrets   []any
		}
	}
	find := func() int {
		o.ask("/v1/tokens", &all)
		for i, k := range all.Tokens {
			if strings.HasSuffix(path, k.ID) {
				return i
			}
		}
		return -1
	}
	if k := all.Tokens; find() < 0 {
		t.Fatal(k)
	}
	if k := all.Tokens[find()]; k.Name != "web shop" || k.RateLimit != 0 || len(k.Origins) != 1 {
		t.Errorf("%+v", k)
	}
	if again := shownOnce(t, b.post(path, url.Values{"do": {"rotate"}, "overlap": {"0s"}}, http.StatusOK)); again == token {
		t.Error("the same token")
	}
	b.goes(path, url.Values{"do": {"revoke"}, "sure": {"on"}})
	if i := find(); i >= 0 && len(all.Tokens[i].Secrets) > 0 {
		t.Error("a revoked token works")
	}
}

// A webhook is made, tested, rotated and deleted.
func TestSettingsWebhooks(t *testing.T) {
	t.Parallel()
	o := newBureau(t)
	b := o.signIn(o.newKey(project.Admin))
	var code atomic.Int32
	code.Store(http.StatusNoContent)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(int(code.Load()))
	}))
	t.Cleanup(receiver.Close)
	has(t, b.post("/settings/webhooks", url.Values{"do": {"create"}, "url": {"ftp://example.com"}, "events": {"request.done"}}, http.StatusBadRequest), `value="ftp://example.com"`, `class="wrong"`)
	has(t, b.post("/settings/webhooks", url.Values{"do": {"create"}, "url": {receiver.URL}}, http.StatusBadRequest), "must name 1 to")
	secret := shownOnce(t, b.post("/settings/webhooks", url.Values{"do": {"create"}, "url": {receiver.URL}, "events": {"request.done", "incident.opened"}}, http.StatusOK))
	list := b.get("/settings/webhooks", http.StatusOK)
	lacks(t, list, secret)
	path := regexp.MustCompile(`href="(/settings/webhooks/[^"]+)">http`).FindStringSubmatch(list.Body.String())[1]
	has(t, b.post(path, url.Values{"do": {"test"}}, http.StatusOK), "✓ delivered", "204")
	code.Store(http.StatusTeapot)
	has(t, b.post(path, url.Values{"do": {"test"}}, http.StatusOK), "The test was not taken", "418")
	has(t, b.get("/settings/webhooks", http.StatusOK), "Deliveries, the newest first", "test", "204")
	if again := shownOnce(t, b.post(path, url.Values{"do": {"rotate"}}, http.StatusOK)); again == secret {
		t.Error("the same secret")
	}
	other := newBureau(t)
	other.signIn(other.newKey(project.Admin)).get(path, http.StatusNotFound)
	has(t, b.post(path, url.Values{"do": {"delete"}}, http.StatusBadRequest), "Set the box")
	b.goes(path, url.Values{"do": {"delete"}, "sure": {"on"}})
	var all struct{ Webhooks []any }
	if o.ask("/v1/webhooks", &all); len(all.Webhooks) != 0 {
		t.Error(all)
	}
}

// The agreement is accepted with a name; staff are kept out, let in, and a grant is ended.
func TestSettingsAgreementAndStaff(t *testing.T) {
	t.Parallel()
	o := newBureau(t)
	if err := project.PublishDPA(t.Context(), o.Databases, project.DPA{Version: "9", TextSHA256: project.Hash("nine"), URL: "https://example.com/dpa/9", EffectiveAt: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	b := o.signIn(o.newKey(project.Admin))
	sign := url.Values{"do": {"accept"}, "version": {"9"}, "accepted_by.name": {"Ann Example"}, "accepted_by.role": {"managing director"}}
	has(t, b.get("/settings/agreement", http.StatusOK), "https://example.com/dpa/9", "9: read the text", "Accept…")
	has(t, b.post("/settings/agreement", sign, http.StatusBadRequest), `value="Ann Example"`, "Set the box")
	sign.Set("sure", "on")
	has(t, b.get(b.goes("/settings/agreement", sign), http.StatusOK), "The agreement is accepted", "✓ accepted, version 9", "Ann Example", "managing director")
	sign.Set("accepted_by.name", "")
	has(t, b.post("/settings/agreement", sign, http.StatusBadRequest), `aria-invalid="true"`, "must be of 1 to 64")

	var allowed struct{ Allowed bool }
	b.goes("/settings/staff", url.Values{"do": {"forbid"}})
	if o.ask("/v1/project/staff-access", &allowed); allowed.Allowed {
		t.Error("still allowed")
	}
	has(t, b.get("/settings/staff", http.StatusOK), "are kept out", "Allow grants")
	b.goes("/settings/staff", url.Values{"do": {"allow"}})
	if o.ask("/v1/project/staff-access", &allowed); !allowed.Allowed {
		t.Error("still forbidden")
	}
	o.member(sue, staff.Support, false)
	now := time.Now().UTC()
	g := staff.Grant{Project: o.Project.ID, Member: sue, Role: staff.Support, Purposes: access.Purposes(staff.Support), Status: staff.Approved, Reason: "a ticket", Created: now, Expires: now.Add(time.Hour)}
	if _, err := o.Default.Doc("grants/"+uuid.NewString()).Create(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	list := b.get("/settings/staff", http.StatusOK)
	has(t, list, "✓ live", "a ticket")
	path := regexp.MustCompile(`href="(/settings/staff/[^"]+)"`).FindStringSubmatch(list.Body.String())[1]
	other := newBureau(t)
	other.signIn(other.newKey(project.Admin)).get(path, http.StatusNotFound)
	has(t, b.get(b.goes(path, url.Values{"do": {"end"}}), http.StatusOK), "The grant has ended", "ended")
	var all struct{ Grants []struct{ Status string } }
	if o.ask("/v1/grants", &all); all.Grants[0].Status != "ended" {
		t.Error(all)
	}
}
