package admin_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/functions/admin"
	"github.com/lethe-analytics/lethe/shared/project"
)

// edgeToken is what edge says of a token; false if that is nothing.
func (w *world) edgeToken(token string) (tok project.Token, ok bool) {
	w.t.Helper()
	snap, err := w.Edge.Doc("tokens/" + project.Hash(token)).Get(w.t.Context())
	if status.Code(err) == codes.NotFound {
		return tok, false
	}
	if err != nil {
		w.t.Fatal(err)
	}
	if err := snap.DataTo(&tok); err != nil {
		w.t.Fatal(err)
	}
	return tok, true
}

func (w *world) tokens() []admin.Token {
	w.t.Helper()
	var all struct{ Tokens []admin.Token }
	w.call(http.MethodGet, "/v1/tokens", w.Key, "", http.StatusOK, &all)
	return all.Tokens
}

func ended(tok project.Token) bool { return !tok.Expires.IsZero() && !time.Now().Before(tok.Expires) }

func TestTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if all := w.tokens(); len(all) != 1 || all[0].ID == "" { // the tenant's
		t.Fatal(all)
	}
	var tok admin.Token
	w.call(http.MethodPost, "/v1/tokens", w.Key, `{"name":"Web","origins":["https://App.example:443","http://localhost:3000"],"rate_limit":100}`, http.StatusCreated, &tok)
	if got, ok := w.edgeToken(tok.Token); !ok || got.Project != "app" || got.ID != tok.ID || fmt.Sprint(got.Origins) != "[http://localhost:3000 https://app.example]" || got.RateLimit != 100 {
		t.Errorf("%+v", got)
	}
	rec := w.call(http.MethodGet, "/v1/tokens", w.Key, "", http.StatusOK, nil)
	if strings.Contains(rec.Body.String(), tok.Token) || strings.Contains(rec.Body.String(), project.Hash(tok.Token)) || !strings.Contains(rec.Body.String(), `"Web"`) {
		t.Error(rec.Body)
	}
	w.call(http.MethodPut, "/v1/tokens/"+tok.ID, w.Key, `{"name":"Site"}`, http.StatusOK, nil)
	if got, _ := w.edgeToken(tok.Token); len(got.Origins) != 0 || got.RateLimit != 0 {
		t.Errorf("%+v", got)
	}

	var second, third admin.Token
	w.call(http.MethodPost, "/v1/tokens/"+tok.ID+"/rotate", w.Key, `{"overlap":"2h"}`, http.StatusOK, &second)
	old, _ := w.edgeToken(tok.Token)
	if left := time.Until(old.Expires); left < time.Hour || left > 2*time.Hour || second.ID != tok.ID || len(second.Secrets) != 2 {
		t.Errorf("%+v %+v", old, second)
	}
	if now, ok := w.edgeToken(second.Token); !ok || !now.Expires.IsZero() {
		t.Errorf("%+v", now)
	}
	w.call(http.MethodPost, "/v1/tokens/"+tok.ID+"/rotate", w.Key, `{"overlap":"0s"}`, http.StatusOK, &third)
	for _, secret := range []string{tok.Token, second.Token} {
		if got, ok := w.edgeToken(secret); !ok || !ended(got) {
			t.Errorf("%+v", got)
		}
	}
	w.call(http.MethodDelete, "/v1/tokens/"+tok.ID, w.Key, "", http.StatusNoContent, nil)
	if got, ok := w.edgeToken(third.Token); !ok || !ended(got) {
		t.Errorf("%+v", got)
	}
	if all := w.tokens(); len(all) != 1 {
		t.Error(all)
	}
	w.call(http.MethodDelete, "/v1/tokens/"+tok.ID, w.Key, "", http.StatusNoContent, nil)
	w.call(http.MethodPost, "/v1/tokens/"+tok.ID+"/rotate", w.Key, "", http.StatusNotFound, nil)
	w.call(http.MethodPut, "/v1/tokens/"+tok.ID, w.Key, `{"name":"Back"}`, http.StatusNotFound, nil)

	other := w.AddProject(t, "other")
	theirs, err := project.NewKey(t.Context(), w.Default, other.ID, project.Admin)
	if err != nil {
		t.Fatal(err)
	}
	mine := w.tokens()[0].ID
	w.call(http.MethodDelete, "/v1/tokens/"+mine, theirs, "", http.StatusNotFound, nil)
	w.call(http.MethodPost, "/v1/tokens/"+mine+"/rotate", theirs, "", http.StatusNotFound, nil)
	for _, bad := range []string{`{"origins":["https://app.example/"]}`, `{"origins":["app.example"]}`, `{"origins":["null"]}`, `{"origins":["https://*.example"]}`,
		`{"rate_limit":-1}`, `{"rate_limit":1000001}`, `{"rate_limit":0.5}`, `{"name":"\n"}`, `{"token":"x"}`} {
		w.call(http.MethodPost, "/v1/tokens", w.Key, bad, http.StatusBadRequest, nil)
	}
}

// A service account is a token with a user name, which it keeps, and with no origins.
func TestServiceAccounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var made, next admin.Token
	w.call(http.MethodPost, "/v1/tokens", w.Key, `{"name":"Importer","user":"importer-1"}`, http.StatusCreated, &made)
	if got, ok := w.edgeToken(made.Token); !ok || got.User != "importer-1" || made.User != "importer-1" {
		t.Errorf("got %+v and %+v at the edge, want the user's name in both", made, got)
	}
	w.call(http.MethodPut, "/v1/tokens/"+made.ID, w.Key, `{"name":"Import","rate_limit":10}`, http.StatusOK, nil)
	w.call(http.MethodPost, "/v1/tokens/"+made.ID+"/rotate", w.Key, "", http.StatusOK, &next)
	if got, _ := w.edgeToken(next.Token); got.User != "importer-1" || got.RateLimit != 10 {
		t.Errorf("got %+v at the edge, want the same user", got)
	}
	if all := w.tokens(); len(all) != 2 || all[0].User+all[1].User != "importer-1" {
		t.Errorf("got %+v, want the tenant's token and the service account", all)
	}
	for _, bad := range []string{`{"user":"a:b"}`, `{"user":"ä"}`, `{"user":"importer","origins":["https://app.example"]}`} {
		w.call(http.MethodPost, "/v1/tokens", w.Key, bad, http.StatusBadRequest, nil)
	}
	for _, bad := range []string{`{"user":"other"}`, `{"origins":["https://app.example"]}`} {
		w.call(http.MethodPut, "/v1/tokens/"+made.ID, w.Key, bad, http.StatusBadRequest, nil)
	}
	w.call(http.MethodPut, "/v1/tokens/"+w.edgeID(w.Token), w.Key, `{"user":"importer-1"}`, http.StatusBadRequest, nil) // a public token stays one
}

func (w *world) edgeID(token string) string {
	tok, _ := w.edgeToken(token)
	return tok.ID
}

// What does not reach edge gets there by the same change again.
func TestTokenHeals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	broken := w.withoutEdge()
	id := w.tokens()[0].ID
	local.Refused(t, local.Call(t.Context(), broken, http.MethodPost, "/v1/tokens/"+id+"/rotate", w.Key, `{"overlap":"0s"}`), http.StatusServiceUnavailable)
	if got, ok := w.edgeToken(w.Token); !ok || ended(got) {
		t.Error("edge came first")
	}
	var next admin.Token
	w.call(http.MethodPost, "/v1/tokens/"+id+"/rotate", w.Key, `{"overlap":"0s"}`, http.StatusOK, &next)
	if got, ok := w.edgeToken(w.Token); !ok || !ended(got) {
		t.Errorf("%+v", got)
	}
	local.Refused(t, local.Call(t.Context(), broken, http.MethodDelete, "/v1/tokens/"+id, w.Key, ""), http.StatusServiceUnavailable)
	if got, ok := w.edgeToken(next.Token); !ok || ended(got) {
		t.Error("edge came first")
	}
	w.call(http.MethodDelete, "/v1/tokens/"+id, w.Key, "", http.StatusNoContent, nil)
	if got, ok := w.edgeToken(next.Token); !ok || !ended(got) {
		t.Errorf("%+v", got)
	}
}
