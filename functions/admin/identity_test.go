package admin_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/functions/admin"
	"github.com/lethe-analytics/lethe/shared/project"
)

const secretPath = "/v1/project/identity-secret"

// rotateSecret makes a secret that proves identities.
func (w *world) rotateSecret(body string) (made admin.IdentitySecret) {
	w.t.Helper()
	w.call(http.MethodPost, secretPath, w.Key, body, http.StatusCreated, &made)
	return made
}

// proving are the secrets that ingest takes at a time.
func (w *world) proving(at time.Time) []string {
	in := w.intake()
	return in.Working(at)
}

// A secret that is replaced works for a day more, and there are never more than two.
func TestIdentitySecrets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	now := time.Now()
	if got := w.proving(now); len(got) != 0 {
		t.Errorf("got %d secrets of a new project, want none", len(got))
	}
	first := w.rotateSecret("")
	if !strings.HasPrefix(first.Secret, "lethe_identity_") || len(first.Secrets) != 1 || first.CreatedAt.IsZero() || !first.Secrets[0].ExpiresAt.IsZero() ||
		first.Secrets[0].Prefix != project.Hash(first.Secret)[:12] {
		t.Errorf("got %+v, want one secret that does not expire", first)
	}
	second := w.rotateSecret("")
	if got, want := w.proving(now), []string{second.Secret, first.Secret}; !slices.Equal(got, want) {
		t.Errorf("got %v, want both secrets, the newest first", got)
	}
	if got := w.proving(second.CreatedAt.Add(24*time.Hour - time.Second)); len(got) != 2 {
		t.Errorf("got %d secrets within the day, want 2", len(got))
	}
	if got, want := w.proving(second.CreatedAt.Add(24*time.Hour)), []string{second.Secret}; !slices.Equal(got, want) {
		t.Errorf("got %v after a day, want the second alone", got)
	}
	w.call(http.MethodPost, secretPath, w.Key, "", http.StatusConflict, nil)
	third := w.rotateSecret(`{"overlap":"0s"}`)
	if got, want := w.proving(now), []string{third.Secret}; !slices.Equal(got, want) {
		t.Errorf("got %v with no overlap, want the third alone", got)
	}
	var p admin.Project
	w.call(http.MethodGet, "/v1/project", w.Key, "", http.StatusOK, &p)
	if len(p.Secrets) != 1 || p.Secrets[0].Prefix != project.Hash(third.Secret)[:12] {
		t.Errorf("got %+v, want the prefix of the third", p.Secrets)
	}
	for range 2 { // the second changes nothing
		w.call(http.MethodDelete, secretPath, w.Key, "", http.StatusNoContent, nil)
		if got := w.proving(now); len(got) != 0 {
			t.Errorf("got %d secrets after their end, want none", len(got))
		}
	}
	w.call(http.MethodPost, secretPath, w.Key, `{"overlap":"-1s"}`, http.StatusBadRequest, nil)
	local.Refused(t, local.Call(t.Context(), w.api, http.MethodPost, secretPath, w.newKey(project.Privacy), ""), http.StatusForbidden)
	for _, e := range w.Access(t) {
		if strings.Contains(e.Object, first.Secret) {
			t.Error("the access log has a secret")
		}
	}
}

// What did not get through to ingest is mended by the same call.
func TestIdentitySecretsHeal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.rotateSecret("")
	local.Refused(t, local.Call(t.Context(), w.withoutEdge(), http.MethodDelete, secretPath, w.Key, ""), http.StatusServiceUnavailable)
	if got := w.proving(time.Now()); len(got) != 1 {
		t.Errorf("got %d secrets at the edge, want the one that was there", len(got))
	}
	w.call(http.MethodDelete, secretPath, w.Key, "", http.StatusNoContent, nil)
	if got := w.proving(time.Now()); len(got) != 0 {
		t.Errorf("got %d secrets at the edge, want none", len(got))
	}
}
