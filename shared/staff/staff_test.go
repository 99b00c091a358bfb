package staff_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/staff"
)

// A token counts only if all of it is as it should be.
func TestTokens(t *testing.T) {
	t.Parallel()
	n := local.NewTenant(t, nil)
	issuer, err := local.StartIssuer()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(issuer.Stop)
	forger, err := local.StartIssuer() // with another key of the same name
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(forger.Stop)
	now := time.Now()
	m := staff.Member{Role: staff.Engineer, TrainingAt: now, Confidentiality: staff.Confidentiality{Version: "1", At: now}}
	if _, err := staff.Ref(n.Default, "ann@example.com").Set(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	config := staff.Config{Audience: local.StaffAudience, Issuer: issuer.URL, CertsURL: issuer.CertsURL(), Domain: "example.com"}
	verifier, err := staff.NewVerifier(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	set := func(name string, value any) func(map[string]any) {
		return func(claims map[string]any) { claims[name] = value }
	}
	token := func(i *local.Issuer, change func(map[string]any)) string {
		text, err := i.Token("Ann@example.com", change)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	good := token(issuer, set("x", 1))
	ask := func(v *staff.Verifier, token string) (staff.Member, error) {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		return v.Authenticate(t.Context(), n.Default, r, staff.Support, staff.Engineer)
	}
	if got, err := ask(verifier, good); err != nil || got.Email != "ann@example.com" || got.Role != staff.Engineer {
		t.Errorf("%+v %v", got, err)
	}
	for name, text := range map[string]string{
		"none": "", "no token": "x", "long": strings.Repeat("x", 10_000), "altered": good[:len(good)-4] + "AAAA",
		"audience":     token(issuer, set("aud", "other")),
		"expired":      token(issuer, set("exp", now.Add(-time.Hour).Unix())),
		"issuer":       token(issuer, set("iss", "https://example.com")),
		"not verified": token(issuer, set("email_verified", false)),
		"verified?":    token(issuer, set("email_verified", "true")),
		"no e-mail":    token(issuer, set("email", nil)),
		"path":         token(issuer, set("email", "a/b@example.com")),
		"domain":       token(issuer, set("hd", "other.com")),
		"no domain":    token(issuer, set("hd", nil)),
		"another key":  token(forger, func(c map[string]any) { set("iss", issuer.URL)(c) }),
		"unsigned":     "eyJhbGciOiJub25lIn0." + strings.Split(good, ".")[1] + ".",
	} {
		if got, err := ask(verifier, text); fault.Of(err) != fault.Unauthorized {
			t.Errorf("%s: %+v %v", name, got, err)
		}
	}
	// Whatever the domain, an address counts only where its provider answers for it.
	config.Domain = ""
	open, err := staff.NewVerifier(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ask(open, token(issuer, set("hd", nil))); fault.Of(err) != fault.Unauthorized {
		t.Errorf("an account that was made with the address: %v", err)
	}
	if _, err := ask(open, good); err != nil {
		t.Error(err)
	}
	for email, ok := range map[string]bool{"ann@example.com": true, "__ann@example__": false, "a/b@example.com": false, "ann": false} {
		if staff.ValidEmail(email) != ok {
			t.Errorf("%s is valid: %v", email, !ok)
		}
	}
	// Without an audience nobody is let in.
	config.Audience = ""
	closed, err := staff.NewVerifier(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ask(closed, good); fault.Of(err) != fault.Unauthorized {
		t.Error(err)
	}
	if _, err := ask(closed, token(issuer, set("aud", ""))); fault.Of(err) != fault.Unauthorized {
		t.Error(err)
	}
}

// While the issuer's keys cannot be read, no token is called bad.
func TestIssuerIsDown(t *testing.T) {
	t.Parallel()
	n := local.NewTenant(t, nil)
	issuer, err := local.StartIssuer()
	if err != nil {
		t.Fatal(err)
	}
	token, err := issuer.Token("ann@example.com", nil)
	if err != nil {
		t.Fatal(err)
	}
	v, err := staff.NewVerifier(t.Context(), staff.Config{Audience: local.StaffAudience, Issuer: issuer.URL, CertsURL: issuer.CertsURL()})
	if err != nil {
		t.Fatal(err)
	}
	issuer.Stop()
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	if _, err := v.Identify(t.Context(), n.Default, r); fault.Of(err) != fault.Unavailable {
		t.Error(err)
	}
}
