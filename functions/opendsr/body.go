package opendsr

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/outbound"
	"github.com/lethe-analytics/lethe/shared/request"
)

// Limits of a request.
const (
	maxBody      = 64 << 10
	maxCallbacks = 10
)

// body is a request of a data subject. Other members, which the specification
// allows, are not looked at.
type body struct {
	Regulation string     `json:"regulation"`
	ID         string     `json:"subject_request_id"`
	Type       string     `json:"subject_request_type"`
	Submitted  string     `json:"submitted_time"`
	Identities []identity `json:"subject_identities"`
	Version    string     `json:"api_version"`
	Callbacks  []string   `json:"status_callback_urls"`
}

// identity is by what the data subject is known.
type identity struct {
	Type   string `json:"identity_type"`
	Value  string `json:"identity_value"`
	Format string `json:"identity_format"`
}

// kinds are the types of requests, and what they are to us.
var kinds = map[string]request.Kind{"access": request.Export, "portability": request.Export, "erasure": request.Deletion}

// types lists the types of requests.
var types = []string{"access", "portability", "erasure"}

// parse reads a request, or says which of its fields is wrong.
func parse(raw []byte, allowLoopback bool) (*body, error) {
	b := &body{}
	if err := json.Unmarshal(raw, b); err != nil {
		return nil, notJSON(err)
	}
	for _, field := range []struct {
		name, value string
		allowed     []string
	}{
		{"regulation", b.Regulation, []string{"gdpr", "ccpa"}},
		{"subject_request_type", b.Type, types},
		{"api_version", b.Version, []string{"", "1.0", "2.0"}},
	} {
		if !slices.Contains(field.allowed, field.value) {
			return nil, fault.InField(field.name, "must be one of %s", strings.TrimPrefix(strings.Join(field.allowed, ", "), ", "))
		}
	}
	if u, err := uuid.Parse(b.ID); err != nil || u.String() != b.ID || u.Version() != 4 {
		return nil, fault.InField("subject_request_id", "must be a UUID of version 4 in lower case")
	}
	if _, err := time.Parse(time.RFC3339, b.Submitted); err != nil {
		return nil, fault.InField("submitted_time", "must be a time as of RFC 3339")
	}
	switch n := len(b.Identities); {
	case n == 0:
		return nil, fault.InField("subject_identities", "must name at least one identity")
	case n > request.MaxIdentities:
		return nil, fault.InField("subject_identities", "has %d items; at most %d are taken", n, request.MaxIdentities)
	}
	for i, id := range b.Identities {
		if err := id.check(fmt.Sprintf("subject_identities[%d].", i)); err != nil {
			return nil, err
		}
	}
	if n := len(b.Callbacks); n > maxCallbacks {
		return nil, fault.InField("status_callback_urls", "has %d items; at most %d are taken", n, maxCallbacks)
	}
	for i, u := range b.Callbacks {
		if err := outbound.CheckURL(fmt.Sprintf("status_callback_urls[%d]", i), u, allowLoopback); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// notJSON says where a body is wrong, without quoting it.
func notJSON(err error) error {
	var sem *json.SemanticError
	if errors.As(err, &sem) && sem.JSONPointer != "" {
		return fault.Wrap(fault.Invalid, err, fmt.Sprintf("wrong type at %q: got %v", sem.JSONPointer, sem.JSONKind))
	}
	return fault.Wrap(fault.Invalid, err, "the body is not a JSON object with distinct names, in UTF-8")
}

// hexLength is how long the formats' hashes are.
var hexLength = map[string]int{"md5": 32, "sha1": 40, "sha256": 64}

func (i identity) check(field string) error {
	if !slices.Contains(request.IdentityTypes, i.Type) {
		return fault.InField(field+"identity_type", "must be one of %s", strings.Join(request.IdentityTypes, ", "))
	}
	if !slices.Contains(request.IdentityFormats, i.Format) {
		return fault.InField(field+"identity_format", "must be one of %s", strings.Join(request.IdentityFormats, ", "))
	}
	switch length := hexLength[i.Format]; {
	case strings.TrimSpace(i.Value) == "":
		return fault.InField(field+"identity_value", "must not be empty")
	case utf8.RuneCountInString(i.Value) > event.MaxString:
		return fault.InField(field+"identity_value", "is longer than %d characters", event.MaxString)
	case length > 0 && (len(i.Value) != length || strings.Trim(strings.ToLower(i.Value), "0123456789abcdef") != ""):
		return fault.InField(field+"identity_value", "must be the %d hexadecimal digits of the hash", length)
	}
	return nil
}

// persons splits the identities into distinct_ids and what has to be looked for.
func (b *body) persons() (ids []string, find []request.Identity) {
	for _, i := range b.Identities {
		if i.Type == request.CustomerID && i.Format == request.Raw {
			ids = append(ids, i.Value)
		} else {
			find = append(find, request.Identity(i))
		}
	}
	return ids, find
}

// extra is what only OpenDSR knows of a request. The body is not kept: it may hold
// personal data, which has to be gone after an erasure.
type extra struct {
	Version   string   `json:"api_version"`
	Callbacks []string `json:"callbacks,omitempty"`
}

func readExtra(r *request.Request) (*extra, error) {
	e := &extra{}
	if err := json.Unmarshal([]byte(r.Extra), e); err != nil {
		return nil, fmt.Errorf("decode what OpenDSR knows of a request: %w", err)
	}
	return e, nil
}
