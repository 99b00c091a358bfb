package identity_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/lethe-analytics/lethe/shared/identity"
)

const secret, old = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"

var now = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

// token makes a JWT.
func token(t *testing.T, alg jose.SignatureAlgorithm, key string, claims any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: []byte(key)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestIsProven(t *testing.T) {
	t.Parallel()
	in := func(d time.Duration) *jwt.NumericDate { return jwt.NewNumericDate(now.Add(d)) }
	ann := jwt.Claims{Subject: "ann", Expiry: in(time.Hour)}
	good := token(t, jose.HS256, secret, ann)
	parts := strings.Split(good, ".")
	unsigned := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + parts[1] + "."
	for name, c := range map[string]struct {
		id, proof string
		want      bool
	}{
		// echo -n ann | openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef
		"HMAC":                    {"ann", "07db5b4bba5fef53c763f1a9cb1ae82cfbf75937aff297f88e797bebf09bfd95", true},
		"HMAC of the old secret":  {"ann", identity.Prove(old, "ann"), true},
		"HMAC of another secret":  {"ann", identity.Prove("x", "ann"), false},
		"HMAC of another id":      {"ann", identity.Prove(secret, "bob"), false},
		"HMAC in capitals":        {"ann", strings.ToUpper(identity.Prove(secret, "ann")), false},
		"HMAC, cut":               {"ann", identity.Prove(secret, "ann")[:32], false},
		"nothing":                 {"ann", "", false},
		"of nobody":               {"", identity.Prove(secret, ""), false},
		"JWT":                     {"ann", good, true},
		"JWT of the old secret":   {"ann", token(t, jose.HS256, old, ann), true},
		"JWT of another secret":   {"ann", token(t, jose.HS256, "another secret of thirty-two bytes", ann), false},
		"JWT of another id":       {"bob", good, false},
		"JWT of no id":            {"ann", token(t, jose.HS256, secret, jwt.Claims{Expiry: in(time.Hour)}), false},
		"JWT that has expired":    {"ann", token(t, jose.HS256, secret, jwt.Claims{Subject: "ann", Expiry: in(-2 * time.Minute)}), false},
		"JWT that never expires":  {"ann", token(t, jose.HS256, secret, jwt.Claims{Subject: "ann"}), false},
		"JWT that is not yet":     {"ann", token(t, jose.HS256, secret, jwt.Claims{Subject: "ann", Expiry: in(time.Hour), NotBefore: in(time.Minute * 2)}), false},
		"JWT by HS512":            {"ann", token(t, jose.HS512, secret+secret, ann), false},
		"JWT without a signature": {"ann", unsigned, false},
		"JWT with a broken one":   {"ann", good[:len(good)-2] + "AA", false},
		"JWT that is long":        {"ann", token(t, jose.HS256, secret, map[string]any{"sub": "ann", "exp": in(time.Hour), "x": strings.Repeat("x", 4096)}), false},
		"dots":                    {"ann", "..", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := identity.IsProven([]string{secret, old}, c.id, c.proof, now); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
	if identity.IsProven(nil, "ann", identity.Prove("", "ann"), now) {
		t.Error("got a proof without a secret, want none")
	}
}
