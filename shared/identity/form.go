// Package identity owns who an event is of, and who may say so.
//
//	event ─ Owner ─▶ the distinct_id that it is stored under
//	      ─ Claims ─▶ "this identity is that user's" ─ Judge(Said, Speaker) ─▶ Outcome
//	      ─ Conceal ─▶ the event, with keys where it names other identities
//
// An identity is one distinct_id of one project: anonymous, made by an SDK on a
// device and unguessable, or identified, the app's own id of a user. The public token
// is anybody's, so it may join an anonymous identity to a user, and no two users.
package identity

import (
	"strings"
	"unicode"

	"github.com/google/uuid"

	"github.com/lethe-analytics/lethe/shared/event"
)

// DevicePrefix marks the distinct_id of a device that knows no user
// (https://docs.mixpanel.com/docs/tracking-methods/id-management/identifying-users-simplified).
const DevicePrefix = "$device:"

// UserIDs is what a project says of its own user ids.
type UserIDs string

// What a project may say.
const (
	UserIDsUnknown UserIDs = ""      // nothing: a UUID may be a user's or a device's
	UserIDsUUID    UserIDs = "uuid"  // they are UUIDs: a UUID is no device's
	UserIDsOther   UserIDs = "other" // they never are: a UUID is a device's
)

// Valid reports whether a project may say so.
func (u UserIDs) Valid() bool {
	return u == UserIDsUnknown || u == UserIDsUUID || u == UserIDsOther
}

// Form is what the text of a distinct_id says of the identity. It is necessary for an
// anonymous one, and not sufficient: what is known to be a user's is one in any form.
type Form int

// The forms.
const (
	Nobody Form = iota // a placeholder, which broken clients send for everybody
	User               // no SDK makes such an id for a device
	Either             // an SDK makes such ids for devices, and some apps for users
	Device             // only an SDK makes such an id
)

// isHexGroups reports whether an id has the form that older SDKs of Mixpanel make: five
// hexadecimal groups of unequal length.
func isHexGroups(id string) bool {
	groups := strings.Split(id, "-")
	if len(groups) != 5 || len(id) < 40 || len(id) > 64 {
		return false
	}
	for _, g := range groups {
		if len(g) < 4 || strings.Trim(g, "0123456789abcdef") != "" {
			return false
		}
	}
	return true
}

// brackets are around a template that nobody filled in, or an object that became a text.
var brackets = []struct{ open, end string }{
	{"{", "}"}, {"<", ">"}, {"[", "]"}, {"(", ")"}, {"${", "}"}, {"%", "%"}, {"__", "__"},
}

func isUnfilled(id string) bool {
	for _, b := range brackets {
		if strings.HasPrefix(id, b.open) && strings.HasSuffix(id, b.end) {
			return true
		}
	}
	return len(id) == 2 && id[0] == '%' // %s, %d
}

// placeholders are ids that stand for whoever has none, in lower case, beside those of
// Mixpanel's list (event.IsNobody).
var placeholders = map[string]bool{
	"nan": true, "nil": true, "guest": true, "user_id": true, "userid": true, "user-id": true, "distinct_id": true,
	"distinctid": true, "default": true, "visitor": true, "infinity": true, "-infinity": true, "no_id": true, "no-id": true,
	"not_set": true, "not set": true, "notset": true, "empty": true, "logged_out": true, "loggedout": true, "unidentified": true,
}

// FormOf is the form of a distinct_id in a project.
func FormOf(id string, ids UserIDs) Form {
	switch {
	case IsPlaceholder(id):
		return Nobody
	case strings.HasPrefix(id, DevicePrefix):
		return Device
	case len(id) == 36 && uuid.Validate(id) == nil:
		switch ids {
		case UserIDsUUID:
			return User
		case UserIDsOther:
			return Device
		}
		return Either
	case isHexGroups(id):
		if ids == UserIDsUnknown {
			return Either
		}
		return Device
	}
	return User
}

// IsPlaceholder reports whether an id stands for nobody in particular: no link is made
// with it, since it would tie everybody together who ever had it.
func IsPlaceholder(id string) bool {
	bare := strings.TrimSpace(strings.TrimPrefix(id, DevicePrefix))
	if event.IsNobody(bare) || len(bare) <= 16 && placeholders[strings.ToLower(bare)] {
		return true
	}
	if strings.Trim(bare, "0-") == "" || isUnfilled(bare) {
		return true
	}
	return !strings.ContainsFunc(bare, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) })
}
