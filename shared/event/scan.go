package event

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// scanner cuts text into JSON values and checks their syntax on the way, in one
// pass. What is rare (escapes, text beyond ASCII, nested values that are skipped) it
// leaves to jsontext. At the first fault it sets bad and goes to the end of the text,
// so that every loop over it ends; what is wrong, jsontext says (see alone).
type scanner struct {
	text    string
	pos     int
	bad     bool
	special bool // the last string had escapes or more than ASCII, the last number an exponent or many digits
	halves  int  // strings so far that had half of a surrogate pair
	scratch []byte
}

func (s *scanner) fault() {
	s.bad, s.pos = true, len(s.text)
}

// kind is the first byte of what comes next; 0 at the end of the text, among others.
func (s *scanner) kind() byte {
	text := s.text
	for i := s.pos; i < len(text); i++ {
		if c := text[i]; c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			s.pos = i
			return c
		}
	}
	s.pos = len(text)
	return 0
}

// end reports whether only white space is left.
func (s *scanner) end() bool { return s.kind() == 0 && s.pos == len(s.text) }

// enter steps over the bracket or brace that kind has told of.
func (s *scanner) enter() { s.pos++ }

// more reports whether the array or object that the byte closes has another member
// after n of them, and steps to it, or over the end.
func (s *scanner) more(end byte, n int) bool {
	c := s.kind()
	if c == end {
		s.pos++
		return false
	}
	if n > 0 {
		if c != ',' {
			s.fault()
			return false
		}
		s.pos++
		c = s.kind()
	}
	if c == 0 || c == end {
		s.fault()
	}
	return !s.bad
}

// name is the raw text of a member's name, one in which something is escaped as it
// would be written without need: who looks for a name need not know the ways to write
// it. Its value is next.
func (s *scanner) name() string {
	if s.kind() != '"' {
		s.fault()
		return `""`
	}
	name := s.str()
	if s.kind() != ':' {
		s.fault()
		return `""`
	}
	s.pos++
	if s.special && strings.IndexByte(name, '\\') >= 0 {
		return plainly(name)
	}
	return name
}

// plainly writes a raw string, which must be valid, with no escapes but those it needs.
func plainly(raw string) string {
	s, _ := unquote(raw)
	q, _ := jsontext.AppendQuote(nil, s)
	return string(q)
}

// value is the raw text of the next value.
func (s *scanner) value() string {
	kind := s.kind()
	start := s.pos
	switch {
	case kind == '"':
		return s.str()
	case isNumber(kind):
		s.number()
	case kind == '{' || kind == '[':
		s.nested()
	default:
		s.literal()
	}
	if s.bad {
		return "null"
	}
	return s.text[start:s.pos]
}

// plain are the bytes that stand for themselves in a string.
var plain = func() (table [256]bool) {
	for c := byte(' '); c < 0x7f; c++ {
		table[c] = c != '"' && c != '\\'
	}
	return table
}()

// str steps over a string, and is its raw text. Half of a surrogate pair, which RFC 8259
// leaves open (section 8.2), is U+FFFD in it: browsers that cut a text send it.
func (s *scanner) str() string {
	start, text := s.pos, s.text
	i := start + 1
	for i < len(text) && plain[text[i]] {
		i++
	}
	if i < len(text) && text[i] == '"' {
		s.pos, s.special = i+1, false
		return text[start:s.pos]
	}
	for i < len(text) && text[i] != '"' {
		if text[i] == '\\' {
			i++
		}
		i++
	}
	if i >= len(text) {
		s.fault()
		return `""`
	}
	s.pos, s.special = i+1, true
	raw := text[start:s.pos]
	if s.unquotes(raw) {
		return raw
	}
	if raw = mendPairs(raw); !s.unquotes(raw) {
		s.fault()
		return `""`
	}
	s.halves++
	return raw
}

// unquotes reports whether a raw string is valid.
func (s *scanner) unquotes(raw string) bool {
	var err error
	s.scratch, err = jsontext.AppendUnquote(s.scratch[:0], raw)
	return err == nil
}

// number steps over a number (RFC 8259, section 6).
func (s *scanner) number() {
	text, i := s.text, s.pos
	digits := func() bool {
		from := i
		for i < len(text) && text[i] >= '0' && text[i] <= '9' {
			i++
		}
		return i > from
	}
	if text[i] == '-' {
		i++
	}
	first := i
	s.special = false
	ok := digits() && (text[first] != '0' || i == first+1)
	if ok && i < len(text) && text[i] == '.' {
		i++
		ok = digits()
	}
	if ok && i < len(text) && (text[i] == 'e' || text[i] == 'E') {
		if i++; i < len(text) && (text[i] == '+' || text[i] == '-') {
			i++
		}
		ok = digits()
		s.special = true
	}
	s.special = s.special || i-s.pos > 300
	if s.pos = i; !ok {
		s.fault()
	}
}

// literal steps over true, false or null.
func (s *scanner) literal() {
	for _, l := range []string{"true", "false", "null"} {
		if strings.HasPrefix(s.text[s.pos:], l) {
			s.pos += len(l)
			return
		}
	}
	s.fault()
}

// nested steps over an object or array of any depth.
func (s *scanner) nested() {
	start, depth := s.pos, 0
	for s.pos < len(s.text) {
		switch s.text[s.pos] {
		case '"':
			s.str()
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		s.pos++
		if depth == 0 {
			break
		}
	}
	valid := func(text string) bool {
		return jsontext.Value(text).IsValid(jsontext.AllowDuplicateNames(true))
	}
	if text := s.text[start:s.pos]; !valid(text) && !valid(mendPairs(text)) {
		s.fault()
	}
}

// isNumber tells a number by its first byte.
func isNumber(first byte) bool { return first == '-' || first >= '0' && first <= '9' }
