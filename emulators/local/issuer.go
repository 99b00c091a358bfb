package local

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// StaffAudience is what the local issuer's tokens are made out to.
const StaffAudience = "lethe-local"

// Issuer stands for Google's accounts: it makes ID tokens of members of staff, for
// whoever asks on this machine.
//
//	GET /certs               its key (JWKS)
//	GET /token?email=a@b     an ID token, as text
//	GET /auth, POST /oauth/token   OAuth 2.0's code flow, as browsers go through it (issuer_oauth.go)
type Issuer struct {
	URL    string
	key    *rsa.PrivateKey
	codes  authorizations
	server *http.Server
}

// issuerKey names the key.
const issuerKey = "local"

// StartIssuer starts an Issuer with a key of its own.
func StartIssuer() (*Issuer, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("make the key of ID tokens: %w", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start issuer: %w", err)
	}
	i := &Issuer{URL: "http://" + l.Addr().String(), key: key}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /certs", i.certs)
	mux.HandleFunc("GET /token", i.token)
	mux.HandleFunc("GET /auth", i.authorize)
	mux.HandleFunc("POST /oauth/token", i.exchange)
	i.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = i.server.Serve(l) }() // ends with Stop
	return i, nil
}

// Stop ends it.
func (i *Issuer) Stop() { _ = i.server.Close() }

// CertsURL is where its key is found.
func (i *Issuer) CertsURL() string { return i.URL + "/certs" }

func (i *Issuer) certs(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
		{Key: &i.key.PublicKey, KeyID: issuerKey, Algorithm: string(jose.RS256), Use: "sig"}}})
}

func (i *Issuer) token(w http.ResponseWriter, r *http.Request) {
	token, err := i.Token(r.URL.Query().Get("email"), nil)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = fmt.Fprintln(w, token)
}

// Token makes an ID token for an hour. The change, if not nil, alters its claims.
func (i *Issuer) Token(email string, change func(claims map[string]any)) (string, error) {
	now := time.Now()
	_, domain, _ := strings.Cut(email, "@")
	claims := map[string]any{
		"iss": i.URL, "aud": StaffAudience, "sub": email, "email": email, "email_verified": true, "hd": domain,
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	if change != nil {
		change(claims)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: i.key}, (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", issuerKey))
	if err != nil {
		return "", fmt.Errorf("sign ID token: %w", err)
	}
	return jwt.Signed(signer).Claims(claims).Serialize()
}
