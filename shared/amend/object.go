package amend

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/lethe-analytics/lethe/shared/fault"
)

// member is one property of an object.
type member struct {
	name  string
	value string // JSON
}

// lenient options: what is stored was checked when it came in.
var lenient = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

// rewriter changes JSON objects of one level without touching the values that stay.
type rewriter struct {
	dec  *jsontext.Decoder
	in   []byte
	out  []byte
	done []bool
}

func newRewriter() rewriter {
	return rewriter{dec: jsontext.NewDecoder(bytes.NewReader(nil))}
}

// sizes counts an object's members.
type sizes struct{ before, after int }

// begin readies the decoder for a text that opens with the bracket or brace.
func (r *rewriter) begin(text string, open jsontext.Kind) error {
	r.in = append(r.in[:0], text...)
	r.out = r.out[:0]
	r.dec.Reset(bytes.NewBuffer(r.in), lenient...)
	tok, err := r.dec.ReadToken()
	if err != nil {
		return damaged(err)
	}
	if tok.Kind() != open {
		return damaged(fmt.Errorf("%v instead of %v", tok.Kind(), open))
	}
	return nil
}

// object drops the named members and sets others, where they stand or at the end.
// Names are compared by what they mean.
func (r *rewriter) object(text string, drop map[string]bool, set []member) (string, sizes, error) {
	var n sizes
	if err := r.begin(text, '{'); err != nil {
		return "", n, err
	}
	r.done = append(r.done[:0], make([]bool, len(set))...)
	changed := false
	r.out = append(r.out, '{')
	for r.dec.PeekKind() != '}' {
		raw, err := r.dec.ReadValue()
		if err != nil {
			return "", n, damaged(err)
		}
		name := meaning(raw)
		mark := len(r.out)
		if n.after > 0 {
			r.out = append(r.out, ',')
		}
		r.out = append(append(r.out, raw...), ':')
		value, err := r.dec.ReadValue() // raw is of no more use
		if err != nil {
			return "", n, damaged(err)
		}
		n.before++
		i := slices.IndexFunc(set, func(m member) bool { return m.name == name })
		switch {
		case drop[name] || i >= 0 && r.done[i]:
			r.out, changed = r.out[:mark], true
			continue
		case i >= 0:
			r.done[i] = true
			changed = changed || set[i].value != string(value)
			r.out = append(r.out, set[i].value...)
		default:
			r.out = append(r.out, value...)
		}
		n.after++
	}
	if _, err := r.dec.ReadToken(); err != nil {
		return "", n, damaged(err)
	}
	for i, m := range set {
		if r.done[i] {
			continue
		}
		if n.after > 0 {
			r.out = append(r.out, ',')
		}
		quoted, err := jsontext.AppendQuote(r.out, m.name)
		if err != nil {
			return "", n, damaged(err)
		}
		r.out, changed = append(append(quoted, ':'), m.value...), true
		n.after++
	}
	return r.text(text, changed, '}'), n, nil
}

// array drops the named strings, and reports how many items are left.
func (r *rewriter) array(text string, drop map[string]bool) (string, int, error) {
	if err := r.begin(text, '['); err != nil {
		return "", 0, err
	}
	left, changed := 0, false
	r.out = append(r.out, '[')
	for r.dec.PeekKind() != ']' {
		v, err := r.dec.ReadValue()
		if err != nil {
			return "", 0, damaged(err)
		}
		if drop[meaning(v)] {
			changed = true
			continue
		}
		if left > 0 {
			r.out = append(r.out, ',')
		}
		r.out = append(r.out, v...)
		left++
	}
	if _, err := r.dec.ReadToken(); err != nil {
		return "", 0, damaged(err)
	}
	return r.text(text, changed, ']'), left, nil
}

// text is what was put together, or the old text where nothing changed.
func (r *rewriter) text(old string, changed bool, end byte) string {
	if !changed {
		return old
	}
	return string(append(r.out, end))
}

// meaning is the text of a raw JSON string.
func meaning(raw jsontext.Value) string {
	if len(raw) < 2 || raw[0] != '"' {
		return ""
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1])
	}
	// An error means text that is not UTF-8, which comes back mended.
	s, _ := jsontext.AppendUnquote(nil, raw)
	return string(s)
}

// parseObject reads an object's members.
func parseObject(text string) ([]member, error) {
	dec := jsontext.NewDecoder(bytes.NewBufferString(text))
	if tok, err := dec.ReadToken(); err != nil || tok.Kind() != '{' {
		return nil, damaged(err)
	}
	var members []member
	for dec.PeekKind() != '}' {
		raw, err := dec.ReadValue()
		if err != nil {
			return nil, damaged(err)
		}
		m := member{name: meaning(raw)}
		v, err := dec.ReadValue()
		if err != nil {
			return nil, damaged(err)
		}
		m.value = string(v)
		members = append(members, m)
	}
	return members, nil
}

func damaged(err error) error {
	return fault.Wrap(fault.Internal, err, "stored JSON is damaged")
}
