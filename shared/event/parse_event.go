package event

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// event reads one item of /track or /import; one that breaks a rule is a Failure.
func (p *parser) event() {
	start := p.pos
	p.proof = ""
	e := Event{Received: p.rules.Now}
	var found members
	var bad refusal
	if p.kind() != '{' {
		p.value()
		p.fail("", "", "an event is an object with event and properties")
		return
	}
	p.enter()
	var hasName, hasProperties bool
	p.names, p.halfAlias = p.names[:0], false
	for n := 0; p.more('}', n); n++ {
		name := p.name()
		if p.repeated(0, name) {
			bad.set(bare(name), twice)
		}
		switch {
		case name == `"event"`:
			raw := p.value()
			hasName = true
			var ok bool
			if e.Name, ok = unquote(raw); !ok {
				bad.set("event", "must be a string")
			} else if why := badName(e.Name); why != "" {
				bad.set("event", why)
			}
		case name == `"properties"` && p.kind() == '{':
			hasProperties = true
			found = p.properties(&e, &bad)
		default: // other members are no part of the contract; Mixpanel ignores them
			p.value()
		}
	}
	switch {
	case !hasName:
		bad.set("event", "is required")
	case !hasProperties:
		bad.set("properties", "must be an object")
	case p.pos-start > MaxBytes && !(found.exported && p.pos-start <= MaxBytes+MaxAdded):
		bad.set("", "the event is over 1 MB")
	}
	p.checkEvent(&e, &bad)
	if bad.message != "" {
		p.fail(e.InsertID, bad.field, bad.message)
		return
	}
	if e.InsertID == "" {
		e.InsertID = p.rules.Nonce + strconv.Itoa(p.Items)
	}
	p.noteProof(len(p.Events))
	p.Events = append(p.Events, e)
	p.Tokens = append(p.Tokens, found.token)
	p.Items++
}

// missing marks a time that was not sent; no event may have it.
const missing = Millis(math.MinInt64)

// members are what properties finds beside the event itself.
type members struct {
	token    string
	exported bool // by AppendExport, which adds members to what was sent
}

// properties reads an event's properties: those with a meaning into e or apart, the
// rest into one text.
func (p *parser) properties(e *Event, bad *refusal) (found members) {
	p.enter()
	from := len(p.out)
	p.out = append(p.out, '{')
	e.Time = missing
	var hasID bool
	var user, device string // raw
	var rest Millis         // of the time, beyond its whole second
	n, kept := 0, 0
	mark := len(p.names)
	for ; p.more('}', n); n++ {
		name := p.name()
		if p.repeated(mark, name) {
			bad.set("properties."+bare(name), twice)
		}
		switch name {
		case `"token"`:
			found.token, _ = unquote(p.value())
		case proofName:
			p.proof, _ = unquote(p.value())
		case `"time"`:
			e.Time = parseTime(p.value(), bad)
		case `"distinct_id"`:
			hasID = true
			halves := p.halves
			raw := p.value()
			if p.halves > halves {
				bad.set("properties.distinct_id", halfPair)
			}
			e.DistinctID = parseDistinctID(raw, "properties.distinct_id", bad)
		case `"$insert_id"`:
			e.InsertID = parseInsertID(p.value(), bad)
		case `"` + RestName + `"`:
			rest = parseRest(p.value(), bad)
		case `"` + ProcessedName + `"`: // is said anew
			found.exported = true
			p.value()
		default:
			if kept > 0 {
				p.out = append(p.out, ',')
			}
			kept++
			p.out = append(p.out, name...)
			p.out = append(p.out, ':')
			halves, at := p.halves, len(p.out)
			p.copyValue(name, 0, bad)
			if p.halves > halves {
				p.halfAlias = p.halfAlias || name == `"alias"`
				if identities[name] {
					bad.set(unquoted(name), halfPair)
				}
			}
			switch name {
			case `"$user_id"`:
				user = asText(p.out[at:])
			case `"$device_id"`:
				device = asText(p.out[at:])
			}
		}
	}
	p.out = append(p.out, '}')
	p.names = p.names[:mark]
	e.Properties = asText(p.out[from:])
	if kept > MaxProperties || n > MaxProperties && !found.exported {
		bad.set("properties", "more than 254 properties")
	}
	if e.DistinctID == "" && user+device != "" {
		hasID = true
		e.DistinctID = p.follow(user, device, bad)
	}
	if e.Time != missing && e.Time%1000 == 0 {
		e.Time += rest
	}
	if p.rules.Complete && !hasID {
		bad.set("properties.distinct_id", "is required (it may be empty)")
	}
	return found
}

// checkEvent applies the rules that need the whole event.
func (p *parser) checkEvent(e *Event, bad *refusal) {
	if e.Time == missing {
		if p.rules.Complete {
			bad.set("properties.time", "is required")
		}
		e.Time = p.rules.Now
	}
	switch {
	case e.Time < Earliest:
		bad.set("properties.time", "is before 1971")
	case e.Time > p.rules.Now+Millis(MaxAhead.Milliseconds()):
		bad.set("properties.time", "is more than an hour ahead")
	case !p.rules.AnyTime && e.Time < p.rules.Now-Millis(MaxAge.Milliseconds()):
		bad.set("properties.time", "is more than 5 days ago; send old events to /import")
	}
	if p.halfAlias && isAlias(e.Name) {
		bad.set("properties.alias", halfPair)
	}
	if p.rules.Complete && e.InsertID == "" {
		bad.set("properties.$insert_id", "is required")
	}
}

// msFrom tells seconds from milliseconds: as seconds it is the year 2969, as
// milliseconds 1971.
const msFrom = 31_536_000_000

func parseTime(raw string, bad *refusal) Millis {
	if whole, err := strconv.ParseInt(raw, 10, 64); err == nil && whole > 0 && whole < msFrom {
		return Millis(whole * 1000) // nearly always, and cheaper
	}
	v, err := strconv.ParseFloat(raw, 64)
	if err != nil || math.Abs(v) > 1e15 {
		bad.set("properties.time", "must be a number of seconds or milliseconds since 1970")
		return missing
	}
	if v < msFrom {
		v *= 1000
	}
	return Millis(math.Round(v))
}

// parseRest reads the milliseconds of a time beyond its whole second.
func parseRest(raw string, bad *refusal) Millis {
	n, err := strconv.ParseUint(raw, 10, 16)
	if err != nil || n > 999 {
		bad.set("properties."+RestName, "must be a whole number from 0 to 999")
		return 0
	}
	return Millis(n)
}

func parseInsertID(raw string, bad *refusal) string {
	id, ok := unquote(raw)
	if !ok || id == "" || len(id) > MaxInsertID {
		bad.set("properties.$insert_id", "must be a string of 1 to 36 bytes")
		return ""
	}
	for i := range len(id) {
		c := id[i]
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '-' {
			bad.set("properties.$insert_id", "may hold only A-Z, a-z, 0-9 and -")
			return ""
		}
	}
	return id
}

// parseDistinctID takes a string, or a number in the form it was written. The
// ids of Mixpanel's list that are nobody's are refused: one broken client would
// otherwise merge many people into one.
func parseDistinctID(raw, field string, bad *refusal) string {
	id, ok := unquote(raw)
	switch {
	case !ok && isNumber(raw[0]):
		id = raw
	case !ok:
		bad.set(field, "must be a string")
		return ""
	}
	if why := badText(id); why != "" {
		bad.set(field, why)
		return ""
	}
	if IsNobody(id) {
		bad.set(field, "stands for nobody in particular")
	}
	return id
}

var nobody = map[string]bool{
	"00000000-0000-0000-0000-000000000000": true, "anon": true, "anonymous": true, "nil": true,
	"none": true, "null": true, "n/a": true, "na": true, "undefined": true, "unknown": true,
	"<nil>": true, "0": true, "-1": true, "true": true, "false": true, "[]": true, "{}": true,
}

// IsNobody reports whether a distinct_id is one that broken clients send for
// everybody, in any case.
func IsNobody(id string) bool { return len(id) <= 36 && nobody[strings.ToLower(id)] }

func badName(name string) string {
	if name == "" {
		return "must not be empty"
	}
	return badText(name)
}

// badText says why a text cannot be a name or an id.
func badText(s string) string {
	if len(s) > MaxString && utf8.RuneCountInString(s) > MaxString {
		return "is longer than 255 characters"
	}
	for i := range len(s) {
		if s[i] < 0x20 || s[i] == 0x7f {
			return "holds a control character"
		}
	}
	return ""
}
