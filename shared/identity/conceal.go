package identity

import (
	"bytes"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/fault"
)

// reference begins the text that stands in an event for another identity.
const reference = "identity:"

// keyLength is that of an identity's key (person.MakeKey).
const keyLength = 32

// IsReference reports whether a text stands for another identity in an event.
func IsReference(text string) bool {
	key, ok := strings.CutPrefix(text, reference)
	return ok && len(key) == keyLength
}

// Conceal gives an event's properties with the key of each identity that they name
// beside the event's own: an event never holds another identity's id as text, so that
// an erased id does not come back inside somebody else's event.
func Conceal(e *event.Event, keyOf func(id string) string) (string, error) {
	if !MayName(e.Properties) {
		return e.Properties, nil
	}
	return rewrite(e.Name, e.Properties, func(id string, device bool) (string, bool) {
		if device {
			id = DevicePrefix + strings.TrimPrefix(id, DevicePrefix)
		}
		if id == e.DistinctID {
			return "", false
		}
		return reference + keyOf(id), true
	})
}

// Reveal gives properties as they are shown: with the ids of the identities that they
// name, as far as they are known.
func Reveal(name, properties string, idOf func(key string) (id string, known bool)) (string, error) {
	if !strings.Contains(properties, `"`+reference) {
		return properties, nil
	}
	return rewrite(name, properties, func(text string, device bool) (string, bool) {
		key, ok := strings.CutPrefix(text, reference)
		if !ok {
			return "", false
		}
		id, known := idOf(key)
		if device {
			id = strings.TrimPrefix(id, DevicePrefix)
		}
		return id, known
	})
}

// References are the keys of the identities that concealed properties name.
func References(name, properties string) ([]string, error) {
	if !strings.Contains(properties, `"`+reference) {
		return nil, nil
	}
	var keys []string
	_, err := rewrite(name, properties, func(text string, _ bool) (string, bool) {
		if key, ok := strings.CutPrefix(text, reference); ok {
			keys = append(keys, key)
		}
		return "", false
	})
	return keys, err
}

// rewrite replaces the ids in the fields that name identities.
func rewrite(event, properties string, change func(id string, device bool) (string, bool)) (string, error) {
	dec := jsontext.NewDecoder(strings.NewReader(properties), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if _, err := dec.ReadToken(); err != nil {
		return "", damaged(err)
	}
	out := []byte{'{'}
	changed := false
	for dec.PeekKind() != '}' {
		raw, err := dec.ReadValue()
		if err != nil {
			return "", damaged(err)
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(out, raw...), ':')
		field := fieldOf(event, raw)
		value, err := dec.ReadValue()
		if err != nil {
			return "", damaged(err)
		}
		if field >= 0 {
			now, did := replace(value, func(id string) (string, bool) { return change(id, field == fieldDevice) })
			value, changed = now, changed || did
		}
		out = append(out, value...)
	}
	if !changed {
		return properties, nil
	}
	return string(append(out, '}')), nil
}

// fieldOf is the position in fields of a name, as it is written; -1: none.
func fieldOf(event string, raw jsontext.Value) int {
	name, err := jsontext.AppendUnquote(nil, raw)
	if err != nil {
		return -1
	}
	i := slices.Index(fields, string(name))
	if i == fieldAlias && event != aliasEvent && event != createAliasEvent {
		return -1 // an ordinary property
	}
	return i
}

// replace changes an id, or each of a list.
func replace(raw jsontext.Value, change func(id string) (string, bool)) (jsontext.Value, bool) {
	if raw.Kind() == '[' {
		out, changed := []byte{'['}, false
		for i, item := range itemsOf(raw) {
			if i > 0 {
				out = append(out, ',')
			}
			now, did := replace(item, change)
			out, changed = append(out, now...), changed || did
		}
		return append(out, ']'), changed
	}
	var id string
	switch raw.Kind() {
	case '0':
		id = string(raw)
	case '"':
		text, err := jsontext.AppendUnquote(nil, raw)
		if err != nil || len(text) == 0 {
			return raw, false
		}
		id = string(text)
	default:
		return raw, false
	}
	now, ok := change(id)
	if !ok {
		return raw, false
	}
	quoted, err := jsontext.AppendQuote(nil, now)
	if err != nil {
		return raw, false
	}
	return quoted, true
}

// itemsOf are the items of an array, which has been checked before.
func itemsOf(raw jsontext.Value) []jsontext.Value {
	dec := jsontext.NewDecoder(bytes.NewReader(raw), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if _, err := dec.ReadToken(); err != nil {
		return nil
	}
	var all []jsontext.Value
	for dec.PeekKind() != ']' {
		v, err := dec.ReadValue()
		if err != nil {
			return all
		}
		all = append(all, v.Clone())
	}
	return all
}

func damaged(err error) error {
	return fault.Wrap(fault.Invalid, err, "an event's properties are damaged")
}
