package where

import (
	"bytes"
	"math"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

type kind uint8

const (
	undefined kind = iota
	null
	boolean
	number
	text
	list
	object
)

// value is one value during an evaluation. Properties are decoded no further
// than an operator needs: a list or an object stays JSON text until looked into.
type value struct {
	kind  kind
	num   float64 // of a number; 1 for true
	bytes []byte  // of a text: its characters; of a number: its text, if num is not enough; of a list or object: its JSON, if items is nil
	items []value // of a list that was not read from JSON
}

func ofBool(b bool) value {
	if b {
		return value{kind: boolean, num: 1}
	}
	return value{kind: boolean}
}

// ofNumber makes a number; what is beyond float64 is undefined.
func ofNumber(f float64) value {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return value{}
	}
	return value{kind: number, num: f}
}

// decode reads a raw JSON value. It copies only a string that has escapes.
func decode(raw jsontext.Value) value {
	if len(raw) == 0 {
		return value{}
	}
	switch raw[0] {
	case 'n':
		return value{kind: null}
	case 't':
		return ofBool(true)
	case 'f':
		return ofBool(false)
	case '"':
		if bytes.IndexByte(raw, '\\') < 0 {
			return value{kind: text, bytes: raw[1 : len(raw)-1]}
		}
		s, err := jsontext.AppendUnquote(nil, raw)
		if err != nil {
			return value{}
		}
		return value{kind: text, bytes: s}
	case '[':
		return value{kind: list, bytes: raw}
	case '{':
		return value{kind: object, bytes: raw}
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil {
		return value{}
	}
	v := ofNumber(f)
	if needsText(raw, f) {
		v.bytes = raw
	}
	return v
}

// truth is the value as a condition.
func (v value) truth() bool {
	switch v.kind {
	case undefined, null:
		return false
	case boolean:
		return v.num != 0
	case number:
		return !v.isZero()
	case text:
		return len(v.bytes) > 0 && string(v.bytes) != "false"
	}
	return true
}

// equal is the operator ==.
func (v value) equal(w value) bool {
	if v.kind != w.kind {
		return false
	}
	switch v.kind {
	case undefined:
		return false
	case null:
		return true
	case boolean:
		return v.num == w.num
	case number:
		return v.num == w.num && (v.bytes == nil && w.bytes == nil || v.compareDecimal(w) == 0)
	case text:
		return bytes.Equal(v.bytes, w.bytes)
	case list:
		a, b := v.all(), w.all()
		if len(a) != len(b) {
			return false
		}
		for i := range a {
			if !a[i].equal(b[i]) {
				return false
			}
		}
		return true
	}
	return sameJSON(v.bytes, w.bytes)
}

// less orders numbers and strings; ok is false for anything else.
func (v value) less(w value) (cmp int, ok bool) {
	switch {
	case v.kind == number && w.kind == number:
		switch {
		case v.num < w.num:
			return -1, true
		case v.num > w.num:
			return 1, true
		case v.bytes == nil && w.bytes == nil:
			return 0, true
		}
		return v.compareDecimal(w), true
	case v.kind == text && w.kind == text:
		return bytes.Compare(v.bytes, w.bytes), true
	}
	return 0, false
}

// in is the operator in.
func (v value) in(w value) bool {
	switch {
	case w.kind == text:
		return v.kind == text && bytes.Contains(w.bytes, v.bytes)
	case w.kind == list && w.items != nil:
		for i := range w.items {
			if v.equal(w.items[i]) {
				return true
			}
		}
	case w.kind == list:
		found := false
		eachItem(w.bytes, func(item value) bool {
			found = v.equal(item)
			return !found
		})
		return found
	}
	return false
}

// all is a list's items.
func (v value) all() []value {
	if v.items != nil {
		return v.items
	}
	var items []value
	eachItem(v.bytes, func(item value) bool {
		item.bytes = bytes.Clone(item.bytes) // they are the decoder's
		items = append(items, item)
		return true
	})
	return items
}

// eachItem decodes the items of a JSON array until the function has enough. An
// item is valid until the function returns.
func eachItem(array []byte, fn func(value) bool) {
	dec := jsontext.NewDecoder(bytes.NewBuffer(array), jsontext.AllowDuplicateNames(true))
	if _, err := dec.ReadToken(); err != nil {
		return
	}
	for dec.PeekKind() != ']' {
		raw, err := dec.ReadValue()
		if err != nil || !fn(decode(raw)) {
			return
		}
	}
}

// sameJSON compares objects, whatever the order of their members.
func sameJSON(a, b []byte) bool { return bytes.Equal(AppendCanonical(nil, a), AppendCanonical(nil, b)) }

// appendJSON writes a value as JSON; undefined, which cannot be within a list,
// as null.
func (v value) appendJSON(b []byte) []byte {
	switch v.kind {
	case boolean:
		return strconv.AppendBool(b, v.num != 0)
	case number:
		return v.appendNumber(b, shownZeros)
	case text:
		b, _ = jsontext.AppendQuote(b, v.bytes)
		return b
	case list:
		if v.items == nil {
			return append(b, v.bytes...)
		}
		b = append(b, '[')
		for i, item := range v.items {
			if i > 0 {
				b = append(b, ", "...)
			}
			b = item.appendJSON(b)
		}
		return append(b, ']')
	case object:
		return append(b, v.bytes...)
	}
	return append(b, "null"...)
}
