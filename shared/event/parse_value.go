package event

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// refusal is why an item is refused; the first one found stands.
type refusal struct{ field, message string }

func (r *refusal) set(field, message string) {
	if r.message == "" {
		*r = refusal{field, message}
	}
}

// unquote gives the text of a raw JSON string; ok is false for another kind of value.
func unquote(raw string) (s string, ok bool) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", false
	}
	if inner := raw[1 : len(raw)-1]; strings.IndexByte(inner, '\\') < 0 {
		return inner, true
	}
	b, err := jsontext.AppendUnquote(nil, raw)
	return string(b), err == nil
}

// copyValue copies the next value into out, without white space, with long
// strings cut, and notes where it breaks a limit. Field names the value for a
// refusal; depth is the number of objects and arrays around it, within its property.
func (p *parser) copyValue(field string, depth int, bad *refusal) {
	switch p.kind() {
	case '{':
		p.copyObject(field, depth+1, bad)
	case '[':
		p.copyArray(field, depth+1, bad)
	default:
		p.copyScalar(p.value(), field, bad)
	}
}

// copyScalar copies a value that is neither object nor array.
func (p *parser) copyScalar(raw, field string, bad *refusal) {
	switch {
	case raw[0] == '"' && len(raw) > MaxString+2:
		p.out = append(p.out, cut(raw)...)
		return
	case p.special && isNumber(raw[0]) && !finite(raw):
		bad.set(unquoted(field), "the number is beyond a 64-bit float")
	}
	p.out = append(p.out, raw...)
}

func (p *parser) copyObject(field string, depth int, bad *refusal) {
	if depth > MaxDepth {
		bad.set(unquoted(field), "nested deeper than 3")
		p.value()
		return
	}
	p.enter()
	p.out = append(p.out, '{')
	n, mark := 0, len(p.names)
	defer func() { p.names = p.names[:mark] }()
	for ; p.more('}', n); n++ {
		name := p.name()
		if p.repeated(mark, name) {
			bad.set(unquoted(field)+"."+bare(name), twice)
		}
		if n > 0 {
			p.out = append(p.out, ',')
		}
		p.out = append(p.out, name...)
		p.out = append(p.out, ':')
		p.copyValue(field, depth, bad)
	}
	if n > MaxProperties {
		bad.set(unquoted(field), "more than 254 properties in one object")
	}
	p.out = append(p.out, '}')
}

func (p *parser) copyArray(field string, depth int, bad *refusal) {
	if depth > MaxDepth {
		bad.set(unquoted(field), "nested deeper than 3")
		p.value()
		return
	}
	p.enter()
	p.out = append(p.out, '[')
	n := 0
	for ; p.more(']', n); n++ {
		if n > 0 {
			p.out = append(p.out, ',')
		}
		p.copyValue(field, depth, bad)
	}
	if n > MaxArray {
		bad.set(unquoted(field), "more than 254 items in one array")
	}
	p.out = append(p.out, ']')
}

// twice is why an object with a repeated name is refused: readers disagree on
// which of the values counts (RFC 8259, section 4).
const twice = "the name occurs twice in its object"

// repeated reports whether the object in hand, whose names begin at mark, has the
// name already, and notes the name.
func (p *parser) repeated(mark int, name string) bool {
	if len(p.names)-mark > MaxProperties+maxMembers {
		return false // refused for their number
	}
	if slices.Contains(p.names[mark:], name) {
		return true
	}
	p.names = append(p.names, name)
	return false
}

// bare is a raw name without its quotes.
func bare(name string) string {
	s, _ := unquote(name)
	return s
}

// cut shortens a raw JSON string to MaxString characters.
func cut(raw string) string {
	s, _ := unquote(raw)
	if utf8.RuneCountInString(s) <= MaxString {
		return raw
	}
	n := 0
	for i := range s {
		if n == MaxString {
			s = s[:i]
			break
		}
		n++
	}
	b, err := jsontext.AppendQuote(nil, s)
	if err != nil {
		return `""` // cannot be: s was valid UTF-8
	}
	return string(b)
}

// finite reports whether a number's text is within float64.
func finite(raw string) bool {
	f, err := strconv.ParseFloat(raw, 64)
	return err == nil && !math.IsInf(f, 0)
}

// unquoted is a raw name as a person reads it.
func unquoted(field string) string {
	if s, ok := unquote(field); ok {
		return "properties." + s
	}
	return field
}
