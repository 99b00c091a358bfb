package request

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"

	"github.com/lethe-analytics/lethe/shared/profile"
)

// Identity is a person known by something else than a distinct_id, or by a hash
// of it (OpenDSR). It is looked for in the profiles when the request runs: in what keys
// have written there, and what the public token has written is a hint.
type Identity struct {
	Type   string `json:"type"`   // as OpenDSR names it: email, controller_customer_id, …
	Value  string `json:"value"`  // raw, or its hash in lower-case hexadecimal
	Format string `json:"format"` // raw, md5, sha1, sha256
}

// The types with rules of their own.
const (
	CustomerID = "controller_customer_id" // the distinct_id
	email      = "email"
)

// Raw is the format of an identity that is not hashed.
const Raw = "raw"

// IdentityTypes lists the types that are understood.
var IdentityTypes = []string{
	CustomerID, email, "android_advertising_id", "android_id", "fire_advertising_id", "ios_advertising_id", "ios_vendor_id",
	"microsoft_advertising_id", "microsoft_publisher_id", "roku_publisher_id", "roku_advertising_id",
}

// IdentityFormats lists the formats that are understood.
var IdentityFormats = []string{Raw, "md5", "sha1", "sha256"}

// properties are the profile properties that hold values of a type.
func properties(kind string) []string {
	names := []string{"$" + kind, kind}
	if kind == "ios_advertising_id" {
		names = append(names, "$ios_ifa") // as Mixpanel's SDKs name it
	}
	return names
}

// direct reports whether the identity says the distinct_id as it is.
func (i Identity) direct() bool { return i.Type == CustomerID && i.Format == Raw }

// matcher finds out whether a person has one of some identities.
type matcher map[string]map[string][]string // values by type and format

func newMatcher(wanted []Identity) matcher {
	m := matcher{}
	for _, i := range wanted {
		if i.direct() {
			continue
		}
		if m[i.Type] == nil {
			m[i.Type] = map[string][]string{}
		}
		value := strings.ToLower(i.Value) // of a hash
		if i.Format == Raw {
			value = normal(i.Type, i.Value)
		}
		m[i.Type][i.Format] = append(m[i.Type][i.Format], value)
	}
	return m
}

// attributes are the types of the identities that a profile has, in order.
func (m matcher) attributes(profileJSON string) (kinds []string, err error) {
	if profileJSON == "" {
		return nil, nil
	}
	p, err := profile.Parse(profileJSON)
	if err != nil {
		return nil, err
	}
	for kind := range m {
		if kind != CustomerID && m.has(p, kind) {
			kinds = append(kinds, kind)
		}
	}
	slices.Sort(kinds)
	return kinds, nil
}

// has reports whether a profile has an identity of a type.
func (m matcher) has(p profile.Profile, kind string) bool {
	for _, name := range properties(kind) {
		if slices.ContainsFunc(texts(p[name]), func(v string) bool { return m.value(kind, v) }) {
			return true
		}
	}
	return false
}

// texts are the strings of a profile property: its value, or the items of a list.
func texts(value string) []string {
	if value == "" {
		return nil
	}
	var one string
	if json.Unmarshal([]byte(value), &one) == nil {
		return []string{one}
	}
	var items []any
	if json.Unmarshal([]byte(value), &items) != nil {
		return nil // neither: it is no identity
	}
	var all []string
	for _, i := range items {
		if s, ok := i.(string); ok {
			all = append(all, s)
		}
	}
	return all
}

// value compares a stored value with the identities of a type.
func (m matcher) value(kind, stored string) bool {
	if stored == "" {
		return false
	}
	for format, wanted := range m[kind] {
		if format == Raw {
			if contains(wanted, normal(kind, stored)) {
				return true
			}
			continue
		}
		for _, form := range forms(kind, stored) {
			if contains(wanted, hashed(format, form)) {
				return true
			}
		}
	}
	return false
}

func contains(wanted []string, value string) (found bool) {
	for _, w := range wanted {
		if subtle.ConstantTimeCompare([]byte(w), []byte(value)) == 1 {
			found = true
		}
	}
	return found
}

// normal is the form in which values of a type are compared. An e-mail address has
// no capital letters of its own in practice, and the letters of an advertising id
// are hexadecimal digits.
func normal(kind, value string) string {
	switch {
	case kind == email:
		return strings.ToLower(strings.TrimSpace(value))
	case strings.HasSuffix(kind, "_advertising_id"):
		return strings.ToLower(value)
	}
	return value
}

// forms are what somebody else may have hashed: the value as it is stored, and the
// ways in which it is usually written.
func forms(kind, stored string) []string {
	all := []string{stored}
	if n := normal(kind, stored); n != stored {
		all = append(all, n)
	}
	if strings.HasSuffix(kind, "_advertising_id") { // Apple's are in capital letters
		all = append(all, strings.ToUpper(stored))
	}
	return all
}

// hashed is the hash of a value, in lower-case hexadecimal. MD5 and SHA-1 are there
// because OpenDSR has them; nothing rests on their strength.
func hashed(format, value string) string {
	var sum []byte
	switch format {
	case "md5":
		s := md5.Sum([]byte(value))
		sum = s[:]
	case "sha1":
		s := sha1.Sum([]byte(value))
		sum = s[:]
	case "sha256":
		s := sha256.Sum256([]byte(value))
		sum = s[:]
	}
	return hex.EncodeToString(sum)
}
