package admin_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/functions/admin"
	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/staff"
)

// session makes one of a credential.
func (w *world) session(credential string) admin.Session {
	w.t.Helper()
	rec := local.Call(w.t.Context(), w.api, http.MethodPost, "/v1/sessions", credential, "")
	var s admin.Session
	if err := json.Unmarshal(rec.Body.Bytes(), &s); err != nil || rec.Code != http.StatusCreated ||
		!strings.HasPrefix(s.Session, "lethe_session_") || rec.Header().Get("Cache-Control") != "no-store" {
		w.t.Fatal(rec.Code, rec.Body, err)
	}
	return s
}

// as is the status of a call.
func (w *world) as(credential, method, path string) int {
	w.t.Helper()
	return local.Call(w.t.Context(), w.api, method, path, credential, "").Code
}

// A session may what its key may, is logged as its key, and is in no list of keys.
func TestSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := time.Now()
	s := w.session(w.Key)
	if s.Role != "admin" || s.Project == nil || *s.Project != "app" || s.Email != nil ||
		s.ExpiresAt.Before(before.Add(project.MaxSession-time.Minute)) || s.ExpiresAt.After(time.Now().Add(project.MaxSession)) {
		t.Errorf("%+v", s)
	}
	rec := local.Call(t.Context(), w.api, http.MethodGet, "/v1/sessions/current", s.Session, "")
	var now admin.Session
	local.Answered(t, rec, &now)
	if now.Session != "" || !now.ExpiresAt.Equal(s.ExpiresAt) || *now.Project != "app" {
		t.Error(rec.Body)
	}
	if rec := local.Call(t.Context(), w.api, http.MethodGet, "/v1/keys", s.Session, ""); rec.Code != http.StatusOK || strings.Count(rec.Body.String(), `"role"`) != 1 {
		t.Error(rec.Code, rec.Body)
	}
	local.Refused(t, local.Call(t.Context(), w.api, http.MethodPost, "/v1/sessions", s.Session, ""), http.StatusForbidden)
	reader := w.session(w.newKey(project.Reader))
	if reader.Role != "reader" || w.as(reader.Session, http.MethodGet, "/v1/keys") != http.StatusForbidden {
		t.Errorf("%+v", reader)
	}

	listed := false
	for _, e := range w.Access(t) {
		if e.Actor == project.Hash(w.Key) && e.ActorKind == access.ByKey && e.Action == "key.list" {
			listed = true
		}
		if e.Actor == project.Hash(s.Session) {
			t.Errorf("%+v", e)
		}
	}
	if !listed {
		t.Error(w.Access(t))
	}
	for _, hash := range []string{project.Hash(s.Session), s.Session} { // only the hash is stored
		snap, err := w.Default.Doc("keys/" + hash).Get(t.Context())
		if (err == nil) != (hash != s.Session) || err == nil && strings.Contains(strings.Join(texts(snap.Data()), " "), s.Session) {
			t.Error(hash, err)
		}
	}
	if w.as(s.Session, http.MethodDelete, "/v1/sessions/current") != http.StatusNoContent || w.as(s.Session, http.MethodGet, "/v1/keys") != http.StatusUnauthorized ||
		w.as(w.Key, http.MethodGet, "/v1/keys") != http.StatusOK {
		t.Error("not ended, or more than it")
	}
	if w.as(w.Key, http.MethodDelete, "/v1/sessions/current") != http.StatusNotFound {
		t.Error("a key is no session")
	}
}

func texts(m map[string]any) (all []string) {
	for _, v := range m {
		if s, ok := v.(string); ok {
			all = append(all, s)
		}
	}
	return all
}

// A session ends with its key: when that is revoked, or has expired; and is bound to its
// addresses.
func TestSessionOfAKeyThatEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	soon := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	short := w.createKey(`{"name":"Short","role":"admin","expires_at":"` + soon.Format(time.RFC3339) + `"}`)
	s := w.session(short.Secret)
	if !s.ExpiresAt.Equal(soon) {
		t.Error(s.ExpiresAt, soon)
	}
	if w.as(w.Key, http.MethodDelete, "/v1/keys/"+short.ID) != http.StatusNoContent || w.as(s.Session, http.MethodGet, "/v1/keys") != http.StatusUnauthorized {
		t.Error("survives its key")
	}
	old := w.createKey(`{"name":"Old","role":"admin"}`)
	s = w.session(old.Secret)
	rec := local.Call(t.Context(), w.api, http.MethodPost, "/v1/keys/"+old.ID+"/rotate", w.Key, `{"overlap":"0s"}`)
	if rec.Code != http.StatusOK || w.as(s.Session, http.MethodGet, "/v1/keys") != http.StatusUnauthorized {
		t.Error("survives the secret that made it", rec.Body)
	}
	ended := project.Session{Key: project.Hash(w.Key), Expires: time.Now().Add(-time.Second)}
	if _, err := w.Default.Doc("keys/"+project.Hash("lethe_session_ended")).Set(t.Context(), ended); err != nil {
		t.Fatal(err)
	}
	if w.as("lethe_session_ended", http.MethodGet, "/v1/keys") != http.StatusUnauthorized {
		t.Error("works after its end")
	}
	office := w.createKey(`{"name":"Office","role":"admin","ip_ranges":["192.0.2.0/24"]}`)
	ask := func(method, path, secret, from string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
		r.Header.Set("Authorization", "Bearer "+secret)
		r.Header.Set("X-Forwarded-For", from+", 10.0.0.1")
		rec := httptest.NewRecorder()
		w.api.ServeHTTP(rec, r)
		return rec
	}
	if rec := ask(http.MethodPost, "/v1/sessions", office.Secret, "192.0.3.1"); rec.Code != http.StatusForbidden {
		t.Error(rec.Code)
	}
	if err := json.Unmarshal(ask(http.MethodPost, "/v1/sessions", office.Secret, "192.0.2.1").Body.Bytes(), &s); err != nil {
		t.Fatal(err)
	}
	if in, out := ask(http.MethodGet, "/v1/keys", s.Session, "192.0.2.1"), ask(http.MethodGet, "/v1/keys", s.Session, "192.0.3.1"); in.Code != http.StatusOK || out.Code != http.StatusForbidden {
		t.Error(in.Code, out.Code)
	}
}

// A session of a member of staff is looked at as its ID token is, at each call.
func TestSessionOfStaff(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	token, err := o.issuer.Token("sam@example.com", nil)
	if err != nil {
		t.Fatal(err)
	}
	s := o.session(token)
	if s.Role != "security" || s.Project != nil || s.Email == nil || *s.Email != "sam@example.com" || s.ExpiresAt.After(time.Now().Add(project.MaxSession)) {
		t.Errorf("%+v", s)
	}
	ask := func() (int, string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/access-log", nil)
		r.Header.Set("Authorization", "Bearer "+s.Session)
		r.Header.Set(access.ProjectHeader, o.Project.ID)
		rec := httptest.NewRecorder()
		o.api.ServeHTTP(rec, r)
		return rec.Code, rec.Body.String()
	}
	expect := func(want int, missing string) {
		t.Helper()
		if code, body := ask(); code != want || !strings.Contains(body, missing) {
			t.Errorf("%d %s, want %d %q", code, body, want, missing)
		}
	}
	expect(http.StatusForbidden, "no live grant")
	now := time.Now()
	g := staff.Grant{Project: o.Project.ID, Member: "sam@example.com", Role: staff.Security, Purposes: access.Purposes(staff.Security), Status: staff.Approved, Created: now, Expires: now.Add(time.Hour)}
	if _, err := o.Default.Collection("grants").NewDoc().Create(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	expect(http.StatusOK, "")
	pseudonym := staff.Pseudonym(o.Project.Secret, "sam@example.com")
	if e := o.Access(t)[0]; e.Actor != pseudonym || e.ActorKind != access.ByStaff {
		t.Errorf("%+v", e)
	}
	o.member("sam@example.com", staff.Member{Role: staff.Security, TrainingAt: now.Add(-2 * staff.TrainedFor)})
	expect(http.StatusForbidden, "training")
	o.member("sam@example.com", staff.Member{Role: staff.Security, Disabled: true})
	expect(http.StatusForbidden, "disabled")
}
