package dashboard_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/lethe-analytics/lethe/shared/project"
)

// An admin says what user ids look like, and makes and ends the secrets of proofs.
func TestSettingsIdentity(t *testing.T) {
	t.Parallel()
	o := newBureau(t)
	b := o.signIn(o.newKey(project.Admin))
	const page = "/settings/identity"
	rec := b.get(page, http.StatusOK)
	labelled(t, rec)
	has(t, rec, `aria-current="page">User ids`, `value="" selected`, `href="/guides/identity"`, "New secret…", "None: nothing proves an identity")
	lacks(t, rec, "End all secrets")
	has(t, b.get(b.goes(page, url.Values{"do": {"user-ids"}, "version": {"0"}, "user_ids": {"uuid"}}), http.StatusOK), "Saved", `value="uuid" selected`)
	var now struct {
		Settings struct {
			UserIDs string `json:"user_ids"`
			Consent struct{ Default string }
		}
		Secrets []struct {
			Prefix string `json:"hash_prefix"`
		} `json:"identity_secrets"`
	}
	if o.ask("/v1/project", &now); now.Settings.UserIDs != "uuid" || now.Settings.Consent.Default != "granted" {
		t.Errorf("got %+v, want uuid, and the rest as it was", now.Settings)
	}
	has(t, b.post(page, url.Values{"do": {"user-ids"}, "version": {"999"}, "user_ids": {"other"}}, http.StatusConflict), `role="alert"`, `value="other" selected`)
	has(t, b.post(page, url.Values{"do": {"user-ids"}, "version": {"1"}, "user_ids": {"numbers"}}, http.StatusBadRequest), `role="alert"`)

	made := b.post(page, url.Values{"do": {"secret"}, "overlap": {"24h"}}, http.StatusOK)
	secret := shownOnce(t, made)
	if o.ask("/v1/project", &now); !strings.HasPrefix(secret, "lethe_identity_") || len(now.Secrets) != 1 || now.Secrets[0].Prefix != project.Hash(secret)[:12] {
		t.Errorf("got %+v, want the secret that was shown", now.Secrets)
	}
	list := b.get(page, http.StatusOK)
	has(t, list, "End all secrets", "Identity secrets that work", now.Secrets[0].Prefix)
	lacks(t, list, secret)
	b.post(page, url.Values{"do": {"secret"}, "overlap": {"24h"}}, http.StatusOK)
	has(t, b.post(page, url.Values{"do": {"secret"}, "overlap": {"24h"}}, http.StatusConflict), `role="alert"`, "2 secrets work")
	has(t, b.post(page, url.Values{"do": {"end-secrets"}}, http.StatusBadRequest), "Set the box")
	has(t, b.get(b.goes(page, url.Values{"do": {"end-secrets"}, "sure": {"on"}}), http.StatusOK), "Nothing proves an identity any more", "None: nothing proves")
	if o.ask("/v1/project", &now); len(now.Secrets) != 0 {
		t.Errorf("got %d secrets, want none", len(now.Secrets))
	}
	o.signIn(o.newKey(project.Privacy)).get(page, http.StatusForbidden)
}
