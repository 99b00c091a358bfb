package local

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"html/template"
	"net/http"
	"net/url"
	"sync"
)

// StaffSecret is the secret of the OAuth client StaffAudience.
const StaffSecret = "local-secret"

// authorizations are the codes that were given out and not yet exchanged.
type authorizations struct {
	mu   sync.Mutex
	open map[string]authorization
}

// authorization is what a code stands for.
type authorization struct{ email, nonce, challenge, redirect string }

// chooser stands for Google's page on which one chooses an account.
var chooser = template.Must(template.New("chooser").Parse(`<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>Choose an account (local)</title>
<h1>Choose an account</h1><p>This stands for Google's sign-in in the local system.</p>
<form><input type="hidden" name="query" value="{{.}}">
<label>E-mail address <input name="email" type="email" required value="security@localhost"></label> <button>Continue</button></form>`))

// authorize answers GET /auth. Without an e-mail address (Google's login_hint is one, too)
// it asks for it, else it sends the browser back with a code.
func (i *Issuer) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	email := q.Get("email")
	if asked := q.Get("query"); asked != "" {
		var err error
		if q, err = url.ParseQuery(asked); err != nil {
			http.Error(w, "bad query", http.StatusBadRequest)
			return
		}
	}
	back, err := url.Parse(q.Get("redirect_uri"))
	if err != nil || back.Host == "" || q.Get("client_id") != StaffAudience || q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" {
		http.Error(w, "not a request for a code by the client "+StaffAudience+" with PKCE", http.StatusBadRequest)
		return
	}
	if email == "" {
		q.Del("email")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = chooser.Execute(w, q.Encode())
		return
	}
	code := rand.Text()
	i.codes.mu.Lock()
	if i.codes.open == nil {
		i.codes.open = map[string]authorization{}
	}
	i.codes.open[code] = authorization{email, q.Get("nonce"), q.Get("code_challenge"), back.String()}
	i.codes.mu.Unlock()
	back.RawQuery = url.Values{"code": {code}, "state": {q.Get("state")}}.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound)
}

// exchange answers POST /oauth/token: an ID token for a code, once.
func (i *Issuer) exchange(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<16)
	code := r.PostFormValue("code")
	i.codes.mu.Lock()
	a, ok := i.codes.open[code]
	delete(i.codes.open, code)
	i.codes.mu.Unlock()
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	w.Header().Set("Content-Type", "application/json")
	if !ok || r.PostFormValue("grant_type") != "authorization_code" || r.PostFormValue("redirect_uri") != a.redirect ||
		r.PostFormValue("client_id") != StaffAudience || r.PostFormValue("client_secret") != StaffSecret ||
		base64.RawURLEncoding.EncodeToString(sum[:]) != a.challenge {
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": "invalid_grant"})
		return
	}
	token, err := i.Token(a.email, func(claims map[string]any) { claims["nonce"] = a.nonce })
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"access_token": rand.Text(), "token_type": "Bearer", "expires_in": 3599, "id_token": token})
}
