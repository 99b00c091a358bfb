package person

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/fault"
)

// How consent travels from SDKs to the store function.
const (
	// ConsentOp is the operation that carries a Statement. It is no operation on
	// the profile and is never stored as one.
	ConsentOp = "$consent"
	// OptInEvent and OptOutEvent are ordinary events of existing SDKs that also grant
	// consent, or take it back.
	OptInEvent  = "$opt_in"
	OptOutEvent = "$opt_out"
)

// EventConsent is what an event of that name says of consent; empty: nothing.
func EventConsent(name string) consent.State {
	switch name {
	case OptInEvent:
		return consent.Granted
	case OptOutEvent:
		return consent.Denied
	}
	return ""
}

// Limits of a Statement.
const (
	maxPurposes    = 20
	maxPurposeName = 64 // characters
)

// Statement is what is said about a person's consent, as it stands in requests
// and in the value of a ConsentOp.
type Statement struct {
	State         consent.State            `json:"state"`
	Purposes      map[string]consent.State `json:"purposes,omitempty"`
	Basis         string                   `json:"basis,omitempty"`
	NoticeVersion string                   `json:"notice_version,omitempty"`
	Source        string                   `json:"source,omitempty"`
}

// Consent is what the statement, received at that time, makes the consent; or an
// Invalid fault that names the field. What is granted without a basis rests on
// consent.
func (s Statement) Consent(at time.Time) (Consent, error) {
	switch s.State {
	case consent.Granted:
		if s.Basis == "" {
			s.Basis = consent.Bases[0]
		}
	case consent.Denied, consent.Unset:
	default:
		return Consent{}, fault.InField("state", "must be granted, denied or unset")
	}
	if s.Basis != "" && !slices.Contains(consent.Bases, s.Basis) {
		return Consent{}, fault.InField("basis", "must be one of %s", strings.Join(consent.Bases, ", "))
	}
	if len(s.Purposes) > maxPurposes {
		return Consent{}, fault.InField("purposes", "has %d names; at most %d are taken", len(s.Purposes), maxPurposes)
	}
	for name, state := range s.Purposes {
		if why := badPurpose(name, state); why != "" {
			return Consent{}, fault.InField("purposes", "%s", why)
		}
	}
	for field, text := range map[string]string{"notice_version": s.NoticeVersion, "source": s.Source} {
		if utf8.RuneCountInString(text) > event.MaxString {
			return Consent{}, fault.InField(field, "is longer than %d characters", event.MaxString)
		}
	}
	return Consent{State: s.State, Purposes: s.Purposes, Basis: s.Basis, NoticeVersion: s.NoticeVersion, Source: s.Source, At: at}, nil
}

func badPurpose(name string, state consent.State) string {
	switch {
	case name == "" || utf8.RuneCountInString(name) > maxPurposeName:
		return "names must be of 1 to 64 characters"
	case strings.HasPrefix(name, "__") && strings.HasSuffix(name, "__"):
		return "names must not begin and end with __" // Firestore keeps them to itself
	case state != consent.Granted && state != consent.Denied:
		return "values must be granted or denied"
	}
	return ""
}
