package profile

import (
	"math"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/lethe-analytics/lethe/shared/event"
)

// fold applies operations, one after the other. What one costs depends on what it
// brings, not on the profile that is there: whoever has a token may send thousands
// that each add to a long list. The rules are those of
// https://docs.mixpanel.com/reference/profile-set and the pages beside it; where
// a property is not of the kind that an operation works on, it stays as it is.
type fold struct {
	values map[string]*value // by name
	size   int               // of the profile's JSON
	limit  int               // of the size
}

// value is a property's: its text, or, once a list was worked on, the list.
type value struct {
	text string
	list *list
}

func (v *value) size() int {
	if v.list != nil {
		return v.list.size
	}
	return len(v.text)
}

func newFold(p Profile, limit int) *fold {
	f := &fold{values: make(map[string]*value, len(p)), size: len("{}"), limit: limit}
	for name, text := range p {
		f.put(name, &value{text: text})
	}
	return f
}

// profile is what has become of it.
func (f *fold) profile() Profile {
	p := make(Profile, len(f.values))
	for name, v := range f.values {
		if v.list != nil {
			v.text, v.list = v.list.text(), nil
		}
		p[name] = v.text
	}
	return p
}

// put gives a property a value; nil takes it away.
func (f *fold) put(name string, v *value) {
	beside := len(appendName(nil, name)) + len(",")
	if old := f.values[name]; old != nil {
		f.size -= beside + old.size()
		delete(f.values, name)
	}
	if v != nil {
		f.size += beside + v.size()
		f.values[name] = v
	}
}

// apply applies one operation. One that would take the profile over its limit does
// not fit, and has no effect.
func (f *fold) apply(o *event.Op) (fits bool, err error) {
	switch o.Name {
	case "$delete":
		*f = *newFold(nil, f.limit)
		return true, nil
	case "$unset":
		names, err := items(o.Value)
		for _, n := range names {
			if s, err := jsontext.AppendUnquote(nil, n); err == nil {
				f.put(string(s), nil)
			}
		}
		return true, err
	}
	values, err := Parse(o.Value)
	if err != nil {
		return false, err
	}
	var undo []func()
	for name, v := range values {
		if u := f.change(o.Name, name, v); u != nil {
			undo = append(undo, u)
		}
	}
	if f.size <= f.limit {
		return true, nil
	}
	for _, u := range undo { // in any order: each is of another property
		u()
	}
	return len(undo) == 0, nil
}

// change does to one property what an operation says, and returns what undoes that;
// nil if there is nothing to undo or to be had by undoing it.
func (f *fold) change(op, name, v string) (undo func()) {
	old := f.values[name]
	switch op {
	case "$set":
		return f.set(name, v)
	case "$set_once":
		if old == nil {
			return f.set(name, v)
		}
	case "$add":
		if sum, ok := add(old, v); ok {
			return f.set(name, sum)
		}
	case "$append":
		return f.grow(name, []jsontext.Value{jsontext.Value(v)}, false)
	case "$union":
		if more, err := items(v); err == nil {
			return f.grow(name, more, true)
		}
	case "$remove":
		if f.isList(old) {
			before := old.list.size
			old.list.remove(jsontext.Value(v))
			f.size += old.list.size - before
		}
	}
	return nil
}

func (f *fold) set(name, text string) (undo func()) {
	old := f.values[name]
	f.put(name, &value{text: text})
	return func() { f.put(name, old) }
}

// grow adds to a list, which is made if the property does not exist.
func (f *fold) grow(name string, more []jsontext.Value, once bool) (undo func()) {
	v := f.values[name]
	if v == nil {
		undo = f.set(name, "[]")
		v = f.values[name]
	}
	if !f.isList(v) {
		return nil
	}
	n, before := len(v.list.values), v.list.size
	v.list.add(more, once)
	f.size += v.list.size - before
	if undo != nil {
		return undo
	}
	return func() {
		now := v.list.size
		v.list.truncate(n)
		f.size += v.list.size - now
	}
}

// isList reports whether a property's value is a list, and makes its items known.
func (f *fold) isList(v *value) bool {
	if v == nil {
		return false
	}
	if v.list == nil {
		all, err := items(v.text)
		if err != nil {
			return false
		}
		v.list = newList(all)
		f.size += v.list.size - len(v.text)
	}
	return true
}

// add sums two numbers. A property that is no number, or a sum beyond float64,
// changes nothing.
func add(old *value, v string) (string, bool) {
	if old == nil {
		old = &value{text: "0"}
	}
	if old.list != nil {
		return "", false
	}
	a, errA := strconv.ParseFloat(old.text, 64)
	b, errB := strconv.ParseFloat(v, 64)
	if sum := a + b; errA == nil && errB == nil && !math.IsInf(sum, 0) {
		return strconv.FormatFloat(sum, 'f', -1, 64), true
	}
	return "", false
}
