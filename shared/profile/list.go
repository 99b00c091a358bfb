package profile

import (
	"bytes"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/lethe-analytics/lethe/shared/where"
)

// list is a property's list while operations work on it.
type list struct {
	values []jsontext.Value
	size   int // of its text
	// forms are the canonical forms of the values, beside them, and held counts them.
	// There are none before they are asked for.
	forms []string
	held  map[string]int
}

func newList(values []jsontext.Value) *list {
	l := &list{values: values, size: len("[]")}
	for _, v := range values {
		l.size += len(v) + len(",")
	}
	return l
}

// text is the list as JSON.
func (l *list) text() string {
	out := make([]byte, 0, l.size)
	out = append(out, '[')
	for i, v := range l.values {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, v...)
	}
	return string(append(out, ']'))
}

// know makes the canonical forms known.
func (l *list) know() {
	if l.held == nil {
		l.held = make(map[string]int, len(l.values))
	}
	for _, v := range l.values[len(l.forms):] {
		form := canonical(v)
		l.forms = append(l.forms, form)
		l.held[form]++
	}
}

// add appends values; with once only those that are not there.
func (l *list) add(more []jsontext.Value, once bool) {
	for _, v := range more {
		if once {
			if l.know(); l.held[canonical(v)] > 0 {
				continue
			}
		}
		l.values = append(l.values, v)
		l.size += len(v) + len(",")
	}
}

// truncate leaves the first n values.
func (l *list) truncate(n int) {
	for _, v := range l.values[n:] {
		l.size -= len(v) + len(",")
	}
	l.values = l.values[:n]
	for len(l.forms) > n {
		last := len(l.forms) - 1
		l.held[l.forms[last]]--
		l.forms = l.forms[:last]
	}
}

// remove takes every value away that equals v.
func (l *list) remove(v jsontext.Value) {
	form := canonical(v)
	if l.know(); l.held[form] == 0 {
		return
	}
	at := 0
	l.values = slices.DeleteFunc(l.values, func(own jsontext.Value) bool {
		at++
		if l.forms[at-1] != form {
			return false
		}
		l.size -= len(own) + len(",")
		return true
	})
	l.forms = slices.DeleteFunc(l.forms, func(own string) bool { return own == form })
	delete(l.held, form)
}

// canonical is a value by which equal ones are known: 1 equals 1.0, and the order of
// names does not matter.
func canonical(v jsontext.Value) string { return string(where.AppendCanonical(nil, v)) }

// items reads the items of a JSON array.
func items(text string) ([]jsontext.Value, error) {
	dec := jsontext.NewDecoder(bytes.NewBufferString(text))
	if dec.PeekKind() != '[' {
		return nil, damaged(strconv.ErrSyntax)
	}
	if _, err := dec.ReadToken(); err != nil {
		return nil, damaged(err)
	}
	var all []jsontext.Value
	for dec.PeekKind() != ']' {
		v, err := dec.ReadValue()
		if err != nil {
			return nil, damaged(err)
		}
		all = append(all, v.Clone())
	}
	return all, nil
}
