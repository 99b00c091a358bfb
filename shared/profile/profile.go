// Package profile owns what a controller has said about a person: a pure function
// of the operations received, in the order in which they were received.
//
//	projects/{project}/people/{person}            profile, profile_at (see package person)
//	projects/{project}/people/{person}/ops/{id}   Doc: the operations that one message brought
//
// Pub/Sub delivers late, twice and out of order. An operation that is newer than
// all before it is applied to the profile as it stands; any other is looked up
// among the stored ones, and if it is not there the profile is folded anew from
// all of them.
package profile

import (
	"bytes"
	"cmp"
	"maps"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/fault"
)

// MaxBytes bounds a profile's JSON, so that the person's document stays well
// under Firestore's 1 MiB. An operation that would take it over has no effect.
const MaxBytes = 512 << 10

// Profile holds the properties of a person: names and JSON values.
type Profile map[string]string

// Parse reads a profile's JSON; the empty text is an empty profile.
func Parse(text string) (Profile, error) {
	p := Profile{}
	if text == "" {
		return p, nil
	}
	dec := jsontext.NewDecoder(bytes.NewBufferString(text))
	if _, err := dec.ReadToken(); err != nil {
		return nil, damaged(err)
	}
	for dec.PeekKind() != '}' {
		name, err := dec.ReadToken()
		if err != nil {
			return nil, damaged(err)
		}
		key := name.String() // before the next read, which reuses the token
		v, err := dec.ReadValue()
		if err != nil {
			return nil, damaged(err)
		}
		p[key] = string(v)
	}
	return p, nil
}

func damaged(err error) error {
	return fault.Wrap(fault.Internal, err, "the profile is damaged")
}

// JSON writes the profile with its names in order.
func (p Profile) JSON() string {
	out := []byte{'{'}
	for i, name := range slices.Sorted(maps.Keys(p)) {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendName(out, name)
		out = append(out, p[name]...)
	}
	return string(append(out, '}'))
}

func appendName(out []byte, name string) []byte {
	q, err := jsontext.AppendQuote(out, name)
	if err != nil { // cannot be: names were checked as UTF-8 when they came in
		q = append(out, `""`...)
	}
	return append(q, ':')
}

// Sort puts operations in the order in which they take effect.
func Sort(ops []event.Op) {
	slices.SortStableFunc(ops, compare)
}

func compare(a, b event.Op) int {
	return cmp.Or(cmp.Compare(a.Received, b.Received), cmp.Compare(a.Request, b.Request), cmp.Compare(a.Seq, b.Seq))
}

// Apply folds operations, which must be in order, into a profile. One that stands in
// it twice counts once: of a message that was stored, and delivered again after an
// erasure of its first half, the second half stands in two documents.
func Apply(p Profile, ops []event.Op) (Profile, error) {
	f := newFold(p)
	for i := range ops {
		if i > 0 && compare(ops[i-1], ops[i]) == 0 {
			continue
		}
		if _, err := f.apply(&ops[i]); err != nil {
			return nil, err
		}
	}
	return f.profile(), nil
}
