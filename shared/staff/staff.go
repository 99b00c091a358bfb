// Package staff owns the people of the company that runs Lethe, the processor: who they
// are, in what role, and whether they may work at all.
//
//	Authorization: Bearer ID-TOKEN ─▶ signature, audience, issuer, e-mail verified
//	      ─▶ staff/{email}: Member ─ role, confidentiality signed, training within a year ─▶ let in
//
//	POST /v1/grants ─▶ grants/{id}: Grant pending ─ approved by another ─▶ live, 8 hours at most
//	                         └────────────────── revoked, or by itself ───────┴─▶ ended
//
// To see a customer's data a member needs a live grant for its project beside all else.
package staff

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"cloud.google.com/go/firestore"
	"google.golang.org/api/idtoken"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/security"
)

// Config is the environment by which ID tokens are verified.
type Config struct {
	// Audience is the OAuth client id that tokens are made out to. Empty: no staff
	// are let in.
	Audience string `env:"LETHE_STAFF_AUDIENCE"`
	// Issuer makes the tokens.
	Issuer string `env:"LETHE_STAFF_ISSUER, default=https://accounts.google.com"`
	// CertsURL has the issuer's keys (JWKS); empty means Google's. It is for the local
	// system.
	CertsURL string `env:"LETHE_STAFF_CERTS_URL"`
	// Domain is the Google Workspace domain that accounts must belong to, if not empty.
	Domain string `env:"LETHE_STAFF_DOMAIN"`
	// Root is the e-mail address of the first privacy officer, who may enter members
	// of staff with nothing on record yet; for all else the root is as others are.
	Root string `env:"LETHE_STAFF_ROOT"`
}

// Validate implements gcp.Load's contract.
func (c *Config) Validate() error {
	c.Root = strings.ToLower(c.Root)
	if c.Root != "" && !ValidEmail(c.Root) {
		return errors.New("LETHE_STAFF_ROOT is not an e-mail address")
	}
	return nil
}

// Verifier finds out who of the staff makes a request.
type Verifier struct {
	config Config
	tokens *idtoken.Validator
}

// NewVerifier makes a Verifier. It keeps the issuer's keys as long as the issuer says.
func NewVerifier(ctx context.Context, c Config) (*Verifier, error) {
	client := &http.Client{Timeout: verifyTimeout, Transport: certs{c.CertsURL}}
	v, err := idtoken.NewValidator(ctx, idtoken.WithHTTPClient(client))
	if err != nil {
		return nil, fmt.Errorf("open verifier of ID tokens: %w", err)
	}
	return &Verifier{config: c, tokens: v}, nil
}

// certs asks for the keys elsewhere: idtoken knows Google's address alone.
type certs struct{ url string }

// RoundTrip implements http.RoundTripper.
func (c certs) RoundTrip(r *http.Request) (*http.Response, error) {
	if c.url == "" {
		return http.DefaultTransport.RoundTrip(r)
	}
	other, err := http.NewRequestWithContext(r.Context(), http.MethodGet, c.url, nil)
	if err != nil {
		return nil, err
	}
	return http.DefaultTransport.RoundTrip(other)
}

// verifyTimeout is how long the look at a token may take.
const verifyTimeout = 10 * time.Second

// maxToken bounds an ID token, in bytes; Google's have about 1,200.
const maxToken = 8192

// Bearer reports whether a request carries what could be an ID token: an API key has
// no dots.
func Bearer(r *http.Request) bool { return strings.Count(bearer(r), ".") == 2 }

func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return token
}

// Authenticate finds the member by "Authorization: Bearer ID-TOKEN" and demands one of
// the roles. Who is known but may not work is told the one thing that is missing.
func (v *Verifier) Authenticate(ctx context.Context, db *firestore.Client, r *http.Request, roles ...Role) (Member, error) {
	m, err := v.Identify(ctx, db, r)
	if err != nil {
		return m, err
	}
	return m, m.Check(roles)
}

// Identify finds the member, whatever it may do.
func (v *Verifier) Identify(ctx context.Context, db *firestore.Client, r *http.Request) (Member, error) {
	ctx, cancel := context.WithTimeout(ctx, verifyTimeout)
	defer cancel()
	token := bearer(r)
	email, err := v.email(ctx, token)
	if token != "" && fault.Of(err) == fault.Unauthorized {
		security.AuthFailure(ctx, r, project.Hash(token))
	}
	if err != nil {
		return Member{}, err
	}
	return v.Member(ctx, db, email)
}

// Member finds the member of an e-mail address that has been verified before.
func (v *Verifier) Member(ctx context.Context, db *firestore.Client, email string) (Member, error) {
	root := strings.EqualFold(email, v.config.Root)
	m, err := Get(ctx, db, email)
	if fault.Of(err) == fault.NotFound {
		if root {
			return Member{Email: email, Role: PrivacyOfficer, Root: true}, nil
		}
		return Member{}, fault.Wrap(fault.Forbidden, err, "the account is not of a member of staff")
	}
	m.Root = root
	return m, err
}

// email verifies a token and reads whom it is about.
func (v *Verifier) email(ctx context.Context, token string) (string, error) {
	if token == "" || len(token) > maxToken || v.config.Audience == "" {
		return "", fault.New(fault.Unauthorized, "send an ID token of a member of staff as Authorization: Bearer TOKEN")
	}
	unknown := func(cause error) error {
		return fault.Wrap(fault.Unauthorized, cause, "the ID token is not valid, or has expired")
	}
	p, err := v.tokens.Validate(ctx, token, v.config.Audience)
	if ctx.Err() != nil {
		return "", fmt.Errorf("verify ID token: %w", ctx.Err())
	}
	if down := (*url.Error)(nil); errors.As(err, &down) { // no fault of the token
		return "", fault.Wrap(fault.Unavailable, err, "the issuer's keys can not be read now; try again")
	}
	if err != nil {
		return "", unknown(err)
	}
	// Google's tokens name the issuer with or without the scheme.
	if p.Issuer != v.config.Issuer && "https://"+p.Issuer != v.config.Issuer {
		return "", unknown(nil)
	}
	email, _ := p.Claims["email"].(string)
	verified, _ := p.Claims["email_verified"].(bool)
	domain, _ := p.Claims["hd"].(string)
	// Others than Workspace's and Gmail's once had an address when they were made, and may
	// have it no more: https://developers.google.com/identity/gsi/web/guides/verify-google-id-token
	verified = verified && (domain != "" || strings.HasSuffix(strings.ToLower(email), "@gmail.com"))
	if !verified || !ValidEmail(email) || v.config.Domain != "" && domain != v.config.Domain {
		return "", unknown(nil)
	}
	return strings.ToLower(email), nil
}
