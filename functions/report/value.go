package report

import (
	"bytes"
	"cmp"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/lethe-analytics/lethe/shared/where"
)

// Reports group by values as where compares them: 1, 1.0 and 1e0 are one, 1 and "1" are
// two, and so are null and no value at all. The key of a group is the canonical form of
// its values.

// GroupValue is the value of a group as an answer shows it.
type GroupValue struct {
	// Value is a string as it is, and any other value as its JSON, in the canonical form of
	// package where. It is null for null, for events that lack the property, and where
	// there are no groups.
	Value *string `json:"value"`
	// Type is that of the value, and Undefined for events that lack the property. It is
	// absent where there are no groups, and of Other.
	Type string `json:"type,omitempty"`
}

// Undefined is the type of a value that is not there.
const Undefined = "undefined"

// kinds are the types, as the first byte of their JSON tells them.
var kinds = map[jsontext.Kind]int{'"': 0, '0': 1, 't': 2, 'f': 2, 'n': 3, '[': 4, '{': 5}

var kindNames = [...]string{"string", "number", "boolean", "null", "array", "object"}

// newGroupValue shows the value of a key; an empty one is Undefined.
func newGroupValue(key string) GroupValue {
	if key == "" {
		return GroupValue{Type: Undefined}
	}
	raw := jsontext.Value(key)
	v := GroupValue{Type: kindNames[kinds[raw.Kind()]]}
	switch text := key; raw.Kind() {
	case '"':
		text = string(stringOf(raw))
		v.Value = &text
	case 'n':
	default:
		v.Value = &text
	}
	return v
}

// otherGroup shows what is beyond the limits.
func otherGroup() GroupValue {
	name := Other
	return GroupValue{Value: &name}
}

// compare orders values by their text, those without one last, and equal texts by type.
func (v GroupValue) compare(w GroupValue) int {
	switch {
	case v.Value == nil && w.Value != nil:
		return 1
	case v.Value != nil && w.Value == nil:
		return -1
	case v.Value != nil:
		if c := strings.Compare(*v.Value, *w.Value); c != 0 {
			return c
		}
	}
	return cmp.Compare(v.Type, w.Type)
}

// stringOf is the text of a JSON string.
func stringOf(raw jsontext.Value) []byte {
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1]
	}
	text, err := jsontext.AppendUnquote(nil, raw)
	if err != nil {
		return raw
	}
	return text
}

// groupKeys finds the keys of values.
type groupKeys struct {
	asText      bool // as Mixpanel's answers name groups: all by their text, null as none at all
	buf, quoted []byte
}

// key is that of a property's value, empty for none. It is good until the next call.
func (k *groupKeys) key(raw jsontext.Value) []byte {
	if k.asText && (len(raw) == 0 || raw[0] == 'n') {
		return []byte(`"` + Undefined + `"`)
	}
	if !where.IsCanonical(raw) {
		k.buf = where.AppendCanonical(k.buf[:0], raw)
		raw = k.buf
	}
	if k.asText && raw[0] != '"' {
		k.quoted, _ = jsontext.AppendQuote(k.quoted[:0], raw) // of what is not UTF-8 it writes replacements
		return k.quoted
	}
	return raw
}
