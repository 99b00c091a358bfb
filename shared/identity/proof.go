package identity

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// maxProof bounds a proof, in bytes: a JWT with some claims of the app's own.
const maxProof = 4096

// Prove makes the proof of a distinct_id, as the app's server does: HMAC-SHA-256 (RFC
// 2104) under a secret of the project, in lower-case hexadecimal.
func Prove(secret, distinctID string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(distinctID))
	return hex.EncodeToString(mac.Sum(nil))
}

// IsProven reports whether a proof is of this distinct_id, under one of the secrets: what
// Prove makes, or a JWT (RFC 7519) that is signed by HS256 and expires, with the
// distinct_id as its subject.
func IsProven(secrets []string, distinctID, proof string, now time.Time) bool {
	if distinctID == "" || len(proof) > maxProof {
		return false
	}
	token := strings.Contains(proof, ".")
	for _, secret := range secrets {
		if token && isSigned(secret, distinctID, proof, now) || !token && hmac.Equal([]byte(Prove(secret, distinctID)), []byte(proof)) {
			return true
		}
	}
	return false
}

// isSigned reports whether a JWT is of the distinct_id. The clocks of two servers may be
// a minute apart (jwt.DefaultLeeway).
func isSigned(secret, distinctID, token string, now time.Time) bool {
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.HS256})
	if err != nil {
		return false
	}
	var c jwt.Claims
	if err := parsed.Claims([]byte(secret), &c); err != nil { // compares in constant time
		return false
	}
	return c.Expiry != nil && c.ValidateWithLeeway(jwt.Expected{Subject: distinctID, Time: now}, jwt.DefaultLeeway) == nil
}
