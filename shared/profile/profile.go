// Package profile owns what a controller has said about a person: a pure function
// of the operations received, in the order in which they were received, over all
// identities of the person.
//
//	projects/{project}/people/{person}              profile, attested, … (see package person)
//	projects/{project}/people/{identity}/ops/{id}   Doc: the operations that one message brought
//
// Pub/Sub delivers late, twice and out of order, and links come and go. An operation
// that is newer than all before it is applied to the profile as it stands; for any other
// the profile is folded anew from all of them (Refold).
package profile

import (
	"bytes"
	"cmp"
	"maps"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/person"
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
	p, _, err := applyOnly(p, MaxBytes, ops, func(*event.Op) bool { return true })
	return p, err
}

// applyOnly is Apply for some of the operations, up to a limit in bytes; it counts those without effect for
// want of room.
func applyOnly(p Profile, limit int, ops []event.Op, take func(*event.Op) bool) (_ Profile, lost int, err error) {
	f := newFold(p, limit)
	for i := range ops {
		if i > 0 && compare(ops[i-1], ops[i]) == 0 || !take(&ops[i]) {
			continue
		}
		fits, err := f.apply(&ops[i])
		if err != nil {
			return nil, 0, err
		}
		if !fits {
			lost++
		}
	}
	return f.profile(), lost, nil
}

// maxAttested bounds the JSON of what a person may be found by, which stands in the
// document beside the profile.
const maxAttested = 64 << 10

// attests reports whether an operation counts for what a person may be found by: it was
// made by a key, or the person takes something away. What a token takes away counts not:
// it would hide the person from requests.
func attests(o *event.Op) bool {
	return o.Speaker == event.ByKey || o.Speaker == event.ByProof && (o.Name == "$delete" || o.Name == "$unset")
}

// fields folds operations, in order, into the profile that a person's document holds, and
// gives the fields to be written.
func fields(d *person.Doc, ops []event.Op) (map[string]any, error) {
	p, err := Parse(d.Profile)
	if err != nil {
		return nil, err
	}
	attested, err := Parse(d.Attested)
	if err != nil {
		return nil, err
	}
	p, lost, err := applyOnly(p, MaxBytes, ops, func(*event.Op) bool { return true })
	if err != nil {
		return nil, err
	}
	if attested, _, err = applyOnly(attested, maxAttested, ops, attests); err != nil {
		return nil, err
	}
	d.Profile, d.ProfileAt = p.JSON(), ops[len(ops)-1].Received.Time()
	all := map[string]any{"profile": d.Profile, "profile_at": d.ProfileAt}
	if text := attested.JSON(); text != cmp.Or(d.Attested, "{}") {
		d.Attested = text
		all["attested"] = text
	}
	if lost > 0 {
		d.NoRoom += lost
		all["no_room"] = d.NoRoom
	}
	return all, nil
}
