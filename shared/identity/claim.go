package identity

import (
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/lethe-analytics/lethe/shared/event"
)

// The events that say who is who
// (https://docs.mixpanel.com/docs/tracking-methods/id-management/identifying-users-original).
const (
	identifyEvent    = "$identify"
	aliasEvent       = "alias"
	createAliasEvent = "$create_alias"
	mergeEvent       = "$merge"
)

// MaxClaims is how many events of one request by token may be there to join identities.
const MaxClaims = 100

// IsClaim reports whether an event's name says that it is there to join identities.
func IsClaim(name string) bool {
	return name == identifyEvent || name == aliasEvent || name == createAliasEvent || name == mergeEvent
}

// Claim is a statement that one identity is another's, as an event makes it.
type Claim struct {
	Who    string // the anonymous identity
	Whose  string // the user
	Event  string // the name of the event that says so
	Either bool   // the event does not say which of the two is the user
	Users  bool   // both are said to be users ($merge)
}

// Weigh says which row of the rule a claim is of, as far as the two ids alone tell in a
// project. Where the event does not say which of them is the user, it may turn them.
func (c Claim) Weigh(ids UserIDs) (Claim, Said) {
	who, whose := FormOf(c.Who, ids), FormOf(c.Whose, ids)
	if c.Either && who == User && whose > User {
		c.Who, c.Whose = c.Whose, c.Who
		who, whose = whose, who
	}
	switch {
	case who == Nobody || whose == Nobody:
		return c, LinkPlaceholder
	case c.Users || whose == Device || who == User:
		return c, LinkUsers
	case who == Either:
		return c, LinkEither
	}
	return c, LinkDevice
}

// fields are the properties by which events name identities.
var fields = []string{"$user_id", "$device_id", "$identified_id", "$anon_distinct_id", "$anon_id", "alias", "$distinct_ids", "$distinct_id"}

// Positions in fields.
const (
	fieldUser = iota
	fieldDevice
	fieldIdentified
	fieldAnonymous
	fieldAnon
	fieldAlias
	fieldIDs
)

// Reader reads what events say of identities. It is not safe for concurrent use.
type Reader struct{ lookup *event.Lookup }

// NewReader makes a Reader.
func NewReader() *Reader { return &Reader{event.NewLookup(fields...)} }

// MayName reports whether an event's properties may name an identity beside its own.
// It reads no JSON: most events do not, and are let pass.
func MayName(properties string) bool {
	return strings.Contains(properties, `"$user_id"`) || strings.Contains(properties, `"$device_id"`) ||
		strings.Contains(properties, `"$anon_`) || strings.Contains(properties, `"$identified_id"`) ||
		strings.Contains(properties, `"alias"`) || strings.Contains(properties, `"$distinct_id`) ||
		strings.IndexByte(properties, '\\') >= 0 // a name may be written with escapes
}

// Claims is what an event says of who is who, and the user whom it names ($user_id),
// who is a user for good. Ids that intake would not take as an event's own say nothing.
func (r *Reader) Claims(e *event.Event) (claims []Claim, user string, err error) {
	if !MayName(e.Properties) {
		return nil, "", nil
	}
	v, err := r.lookup.In(e)
	if err != nil {
		return nil, "", err
	}
	add := func(c Claim) {
		if c.Event = e.Name; c.Who != "" && c.Whose != "" && c.Who != c.Whose {
			claims = append(claims, c)
		}
	}
	user = textOf(v[fieldUser])
	if device := textOf(v[fieldDevice]); user != "" && device != "" {
		add(Claim{Who: DevicePrefix + strings.TrimPrefix(device, DevicePrefix), Whose: user})
	}
	switch e.Name {
	case identifyEvent:
		c := Claim{Who: textOf(v[fieldAnonymous]), Whose: textOf(v[fieldIdentified])}
		if c.Who == "" {
			c.Who = textOf(v[fieldAnon])
		}
		if c.Whose == "" {
			c.Whose = e.DistinctID
		}
		add(c)
	case aliasEvent, createAliasEvent:
		add(Claim{Who: textOf(v[fieldAlias]), Whose: e.DistinctID, Either: true})
	case mergeEvent:
		if both := textsOf(v[fieldIDs]); len(both) == 2 {
			add(Claim{Who: both[1], Whose: both[0], Users: true})
		}
	}
	return claims, user, nil
}

// textOf is the id in a property: a string, or a number as it is written; empty if
// there is none that could be a distinct_id. A text as long as the longest may have
// been cut, and many people's would be the same. A key that an export has shown, since it
// does not know whose it is, is nobody's id.
func textOf(raw jsontext.Value) string {
	switch raw.Kind() {
	case '0':
		return string(raw)
	case '"':
		id, err := jsontext.AppendUnquote(nil, raw)
		if err != nil || len(id) == 0 || utf8.RuneCount(id) >= event.MaxString || event.IsNobody(string(id)) || hasControl(id) || IsReference(string(id)) {
			return ""
		}
		return string(id)
	}
	return ""
}

func hasControl(id []byte) bool {
	for _, c := range id {
		if c < 0x20 || c == 0x7f {
			return true
		}
	}
	return false
}

func textsOf(raw jsontext.Value) []string {
	if raw.Kind() != '[' {
		return nil
	}
	var all []string
	for _, item := range itemsOf(raw) {
		if id := textOf(item); id != "" {
			all = append(all, id)
		}
	}
	return all
}
