package admin_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/functions/admin"
	"github.com/lethe-analytics/lethe/shared/project"
)

// call expects a status, and reads the answer.
func (w *world) call(method, path, key, body string, want int, into any) *httptest.ResponseRecorder {
	w.t.Helper()
	rec := local.Call(w.t.Context(), w.api, method, path, key, body)
	if rec.Code != want {
		w.t.Fatalf("%s %s: %d %s, want %d", method, path, rec.Code, rec.Body, want)
	}
	if into != nil {
		if err := json.Unmarshal(rec.Body.Bytes(), into); err != nil {
			w.t.Fatal(err)
		}
	}
	return rec
}

func (w *world) createKey(body string) (k admin.Key) {
	w.t.Helper()
	w.call(http.MethodPost, "/v1/keys", w.Key, body, http.StatusCreated, &k)
	return k
}

func (w *world) keys(key string) []admin.Key {
	w.t.Helper()
	var all struct{ Keys []admin.Key }
	w.call(http.MethodGet, "/v1/keys", key, "", http.StatusOK, &all)
	return all.Keys
}

// lets says whether a key opens an endpoint for admins.
func (w *world) lets(key string) bool {
	w.t.Helper()
	switch code := local.Call(w.t.Context(), w.api, http.MethodGet, "/v1/keys", key, "").Code; code {
	case http.StatusOK:
		return true
	case http.StatusUnauthorized:
		return false
	default:
		w.t.Fatal(code)
		return false
	}
}

// expire lets the time of a secret pass.
func (w *world) expire(secret string) {
	w.t.Helper()
	if _, err := w.Default.Doc("keys/"+project.Hash(secret)).Update(w.t.Context(), []firestore.Update{{Path: "expires", Value: time.Now().Add(-time.Second)}}); err != nil {
		w.t.Fatal(err)
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	expires := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	k := w.createKey(fmt.Sprintf(`{"name":"CI","role":"admin","expires_at":%q,"ip_ranges":[]}`, expires.Format(time.RFC3339)))
	if !w.lets(k.Secret) || k.Role != project.Admin || !k.ExpiresAt.Equal(expires) || !strings.HasPrefix(k.Secret, "lethe_") {
		t.Errorf("%+v", k)
	}
	reader := w.createKey(`{"name":"Reader","role":"reader"}`)
	local.Refused(t, local.Call(t.Context(), w.api, http.MethodGet, "/v1/keys", reader.Secret, ""), http.StatusForbidden)
	rec := w.call(http.MethodGet, "/v1/keys", w.Key, "", http.StatusOK, nil)
	for _, secret := range []string{k.Secret, reader.Secret, w.Key} {
		if strings.Contains(rec.Body.String(), secret) || strings.Contains(rec.Body.String(), project.Hash(secret)) {
			t.Error("a secret or its hash is told")
		}
	}
	all := w.keys(w.Key)
	if len(all) != 3 || all[1].ID != k.ID || all[1].Name != "CI" || len(all[1].Secrets) != 1 || !strings.HasPrefix(project.Hash(k.Secret), all[1].Secrets[0].Prefix) {
		t.Errorf("%+v", all)
	}
	w.expire(k.Secret)
	if w.lets(k.Secret) {
		t.Error("an expired key opens")
	}
	w.call(http.MethodPost, "/v1/keys/"+k.ID+"/rotate", w.Key, "", http.StatusConflict, nil)
	w.call(http.MethodDelete, "/v1/keys/"+reader.ID, w.Key, "", http.StatusNoContent, nil)
	w.call(http.MethodDelete, "/v1/keys/"+reader.ID, w.Key, "", http.StatusNotFound, nil)
	if w.lets(reader.Secret) {
		t.Error("a revoked key opens")
	}
	entries := w.Access(t)
	logged := map[string]bool{}
	for _, e := range entries {
		logged[fmt.Sprint(e.Action, " ", e.Object, " ", e.Status)] = true
	}
	if !logged["key.create "+k.ID+" 201"] || !logged["key.revoke "+reader.ID+" 204"] {
		t.Error(logged)
	}

	// Another project sees and changes none of it.
	other := w.AddProject(t, "other")
	theirs, err := project.NewKey(t.Context(), w.Default, other.ID, project.Admin)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(w.keys(theirs)); n != 1 {
		t.Error(n)
	}
	w.call(http.MethodDelete, "/v1/keys/"+k.ID, theirs, "", http.StatusNotFound, nil)
	w.call(http.MethodPost, "/v1/keys/"+k.ID+"/rotate", theirs, `{"overlap":"1h"}`, http.StatusNotFound, nil)

	for _, bad := range []string{``, `{}`, `{"name":"x"}`, `{"name":"","role":"admin"}`, `{"name":"x","role":"owner"}`, `{"name":"x","role":"admin","more":1}`,
		`{"name":"x","role":"admin","expires_at":"2020-01-01T00:00:00Z"}`, `{"name":"x","role":"admin","ip_ranges":["192.0.2.1"]}`, `{"name":"\u0000","role":"admin"}`,
		`{"name":"` + strings.Repeat("x", 65) + `","role":"admin"}`, `{"name":"x","role":"admin","ip_ranges":["::ffff:1.2.3.4/120"]}`} {
		w.call(http.MethodPost, "/v1/keys", w.Key, bad, http.StatusBadRequest, nil)
	}
	for _, bad := range []string{`{"overlap":"169h"}`, `{"overlap":"-1s"}`, `{"overlap":"x"}`, `{"overlap":24}`} {
		w.call(http.MethodPost, "/v1/keys/"+all[0].ID+"/rotate", w.Key, bad, http.StatusBadRequest, nil)
	}
	w.call(http.MethodDelete, "/v1/keys/a%2Fb", w.Key, "", http.StatusNotFound, nil)
}

func TestRotateKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := w.createKey(`{"name":"CI","role":"admin"}`)
	rotate := func(body string, want int) (next admin.Key) {
		t.Helper()
		w.call(http.MethodPost, "/v1/keys/"+k.ID+"/rotate", w.Key, body, want, &next)
		return next
	}
	second := rotate(`{"overlap":"1h"}`, http.StatusOK)
	if second.ID != k.ID || second.Secret == k.Secret || second.RotatedAt.IsZero() || len(second.Secrets) != 2 || !w.lets(k.Secret) || !w.lets(second.Secret) {
		t.Errorf("%+v", second)
	}
	if all := w.keys(w.Key); len(all) != 2 || len(all[1].Secrets) != 2 || !all[1].Secrets[0].ExpiresAt.IsZero() || all[1].Secrets[1].ExpiresAt.IsZero() {
		t.Errorf("%+v", all)
	}
	w.expire(k.Secret)
	if w.lets(k.Secret) || !w.lets(second.Secret) {
		t.Error("the overlap does not end")
	}
	// The default is a day; a rotation without overlap ends all that is before.
	third := rotate("", http.StatusOK)
	if until := time.Until(third.Secrets[1].ExpiresAt); len(third.Secrets) != 2 || until < 23*time.Hour || until > 24*time.Hour {
		t.Errorf("%+v", third)
	}
	fourth := rotate(`{"overlap":"0s"}`, http.StatusOK)
	if w.lets(second.Secret) || w.lets(third.Secret) || !w.lets(fourth.Secret) || len(fourth.Secrets) != 1 {
		t.Error("a secret lives on")
	}
	for range 4 {
		rotate(`{"overlap":"1h"}`, http.StatusOK)
	}
	rotate(`{"overlap":"1h"}`, http.StatusConflict)
	last := rotate(`{"overlap":"0s"}`, http.StatusOK)
	// Revoked, with what overlaps.
	next := rotate("", http.StatusOK)
	w.call(http.MethodDelete, "/v1/keys/"+k.ID, next.Secret, "", http.StatusNoContent, nil)
	if w.lets(last.Secret) || w.lets(next.Secret) {
		t.Error("a revoked key opens")
	}
	left, err := w.Default.Collection("keys").Documents(t.Context()).GetAll()
	if err != nil || len(left) != 1 {
		t.Error(len(left), err)
	}
}

// There is always a key that lets an admin in.
func TestLastAdminKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.keys(w.Key)[0].ID
	w.createKey(`{"name":"Privacy","role":"privacy"}`)
	w.call(http.MethodDelete, "/v1/keys/"+first, w.Key, "", http.StatusConflict, nil)
	// Neither one that has expired nor a secret that is replaced counts.
	expired := w.createKey(`{"name":"Old","role":"admin"}`)
	w.expire(expired.Secret)
	w.call(http.MethodPost, "/v1/keys/"+first+"/rotate", w.Key, "", http.StatusOK, nil)
	w.call(http.MethodDelete, "/v1/keys/"+first, w.Key, "", http.StatusConflict, nil)
	w.call(http.MethodDelete, "/v1/keys/"+expired.ID, w.Key, "", http.StatusNoContent, nil)
	// Of two that are revoked at the same time, one stays.
	second := w.createKey(`{"name":"New","role":"admin"}`)
	codes := make([]int, 2)
	var both sync.WaitGroup
	for i, id := range []string{first, second.ID} {
		both.Go(func() {
			codes[i] = local.Call(t.Context(), w.api, http.MethodDelete, "/v1/keys/"+id, []string{second.Secret, w.Key}[i], "").Code
		})
	}
	both.Wait()
	if w.lets(w.Key) == w.lets(second.Secret) {
		t.Errorf("both or none opens: %v", codes)
	}
}

func TestMostKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	batch := w.Default.BulkWriter(t.Context())
	for i := range project.MaxKeys - 1 {
		hash := project.Hash(fmt.Sprint(i))
		if _, err := batch.Create(w.Default.Doc("keys/"+hash), project.Key{Project: w.Project.ID, ID: hash[:16], Role: project.Reader, Created: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	batch.End()
	w.call(http.MethodPost, "/v1/keys", w.Key, `{"name":"x","role":"reader"}`, http.StatusConflict, nil)
	if n := len(w.keys(w.Key)); n != project.MaxKeys {
		t.Error(n)
	}
}
