package profile

import (
	"bytes"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/lethe-analytics/lethe/shared/event"
)

// apply gives the profile after one operation. The rules are those of
// https://docs.mixpanel.com/reference/profile-set and the pages beside it; where
// a property is not of the kind that an operation works on, it stays as it is.
func (p Profile) apply(o *event.Op) (Profile, error) {
	if o.Name == "$delete" {
		return Profile{}, nil
	}
	next := maps.Clone(p)
	if o.Name == "$unset" {
		names, err := list(o.Value)
		if err != nil {
			return nil, err
		}
		for _, n := range names {
			if s, err := jsontext.AppendUnquote(nil, n); err == nil {
				delete(next, string(s))
			}
		}
		return next, nil
	}
	values, err := Parse(o.Value)
	if err != nil {
		return nil, err
	}
	for name, v := range values {
		old, exists := p[name]
		switch o.Name {
		case "$set":
			next[name] = v
		case "$set_once":
			if !exists {
				next[name] = v
			}
		case "$add":
			if sum, ok := add(old, exists, v); ok {
				next[name] = sum
			}
		case "$append", "$union", "$remove":
			if l, ok := change(o.Name, old, exists, v); ok {
				next[name] = l
			}
		}
	}
	return next, nil
}

// add sums two numbers. A property that is no number, or a sum beyond float64,
// changes nothing.
func add(old string, exists bool, v string) (string, bool) {
	if !exists {
		old = "0"
	}
	a, errA := strconv.ParseFloat(old, 64)
	b, errB := strconv.ParseFloat(v, 64)
	if sum := a + b; errA == nil && errB == nil && !math.IsInf(sum, 0) {
		return strconv.FormatFloat(sum, 'f', -1, 64), true
	}
	return "", false
}

// change appends a value to a list, unites two lists, or removes a value.
func change(op, old string, exists bool, v string) (string, bool) {
	if !exists {
		if op == "$remove" {
			return "", false
		}
		old = "[]"
	}
	items, err := list(old)
	if err != nil {
		return "", false
	}
	value := jsontext.Value(v)
	switch op {
	case "$append":
		items = append(items, value)
	case "$remove":
		items = slices.DeleteFunc(items, func(i jsontext.Value) bool { return equal(i, value) })
	case "$union":
		more, err := list(v)
		if err != nil {
			return "", false
		}
		for _, m := range more {
			if !slices.ContainsFunc(items, func(i jsontext.Value) bool { return equal(i, m) }) {
				items = append(items, m)
			}
		}
	}
	return "[" + string(bytes.Join(asBytes(items), []byte(","))) + "]", true
}

// list reads the items of a JSON array.
func list(text string) ([]jsontext.Value, error) {
	dec := jsontext.NewDecoder(bytes.NewBufferString(text))
	if dec.PeekKind() != '[' {
		return nil, damaged(strconv.ErrSyntax)
	}
	if _, err := dec.ReadToken(); err != nil {
		return nil, damaged(err)
	}
	var items []jsontext.Value
	for dec.PeekKind() != ']' {
		v, err := dec.ReadValue()
		if err != nil {
			return nil, damaged(err)
		}
		items = append(items, v.Clone())
	}
	return items, nil
}

// equal compares JSON values by their canonical form (RFC 8785), so that 1 equals
// 1.0 and the order of names does not matter.
func equal(a, b jsontext.Value) bool {
	if bytes.Equal(a, b) {
		return true
	}
	if a.Kind() != b.Kind() {
		return false
	}
	a, b = a.Clone(), b.Clone()
	return a.Canonicalize() == nil && b.Canonicalize() == nil && bytes.Equal(a, b)
}

func asBytes(items []jsontext.Value) [][]byte {
	out := make([][]byte, len(items))
	for i, v := range items {
		out[i] = v
	}
	return out
}
