package where

import (
	"bytes"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// AppendCanonical adds a JSON value in the form that it shares with all that == takes for
// equal to it, and with no other: without white space and needless escapes, numbers in
// one form, the members of objects sorted.
func AppendCanonical(dst []byte, raw jsontext.Value) []byte {
	if IsCanonical(raw) {
		return append(dst, raw...)
	}
	before := len(dst)
	var err error
	if raw[0] == '[' || raw[0] == '{' {
		dst, err = appendNext(dst, jsontext.NewDecoder(bytes.NewBuffer(raw), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)))
	} else {
		dst, err = appendScalar(dst, raw)
	}
	if err != nil { // damaged: equal to what is written the same
		return append(dst[:before], raw...)
	}
	return dst
}

// IsCanonical recognises most of the values that AppendCanonical would add as they are.
func IsCanonical(raw jsontext.Value) bool {
	switch {
	case len(raw) == 0:
		return true
	case raw[0] == '"':
		return bytes.IndexByte(raw, '\\') < 0
	case raw[0] == '[' || raw[0] == '{':
		return len(raw) == 2
	case raw[0] >= '1' && raw[0] <= '9' && len(raw) <= shownZeros:
		return !slices.ContainsFunc(raw, func(c byte) bool { return c < '0' || c > '9' })
	}
	return raw[0] != '-' && (raw[0] < '0' || raw[0] > '9')
}

// appendNext writes the canonical form of what the decoder comes to.
func appendNext(b []byte, dec *jsontext.Decoder) ([]byte, error) {
	switch dec.PeekKind() {
	case '[':
		return appendArray(b, dec)
	case '{':
		return appendObject(b, dec)
	}
	raw, err := dec.ReadValue()
	if err != nil {
		return b, err
	}
	return appendScalar(b, raw)
}

func appendScalar(b []byte, raw jsontext.Value) ([]byte, error) {
	switch v := decode(raw); {
	case v.kind == number:
		return v.appendNumber(b, shownZeros), nil
	case v.kind == text && !IsCanonical(raw):
		return jsontext.AppendQuote(b, v.bytes)
	}
	return append(b, raw...), nil
}

func appendArray(b []byte, dec *jsontext.Decoder) ([]byte, error) {
	if _, err := dec.ReadToken(); err != nil {
		return b, err
	}
	b = append(b, '[')
	for n := 0; dec.PeekKind() != ']'; n++ {
		if n > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = appendNext(b, dec); err != nil {
			return b, err
		}
	}
	_, err := dec.ReadToken()
	return append(b, ']'), err
}

func appendObject(b []byte, dec *jsontext.Decoder) ([]byte, error) {
	if _, err := dec.ReadToken(); err != nil {
		return b, err
	}
	var members [][]byte // "name":value
	for dec.PeekKind() != '}' {
		name, err := dec.ReadValue()
		if err != nil {
			return b, err
		}
		member, err := appendScalar(nil, name)
		if err != nil {
			return b, err
		}
		if member, err = appendNext(append(member, ':'), dec); err != nil {
			return b, err
		}
		members = append(members, member)
	}
	slices.SortFunc(members, bytes.Compare)
	b = append(append(append(b, '{'), bytes.Join(members, []byte{','})...), '}')
	_, err := dec.ReadToken()
	return b, err
}
