package person

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/gcp"
)

// OptOut is an identity's document in the edge database: a hint by which ingest drops
// early what store would drop. It stays once there was one, whatever its state, so that
// something older that comes late cannot undo it.
type OptOut struct {
	State consent.State `firestore:"state"`
	At    time.Time     `firestore:"at"`           // of the newest statement that it follows from
	By    string        `firestore:"by,omitempty"` // event.Speaker, of the statement in force
	// Own is what was said under this very identity. A token is told no more: anybody can
	// join a device to a user, and would be told of the user.
	Own    consent.State `firestore:"own,omitempty"`
	Filled *Filled       `firestore:"filled,omitempty"`
}

// Locked reports whether a key has denied, which only a key undoes.
func (o *OptOut) Locked() bool {
	return o.State == consent.Denied && event.ParseSpeaker(o.By) == event.ByKey
}

// ReadOptOut decodes a snapshot of OptOutRef. Nobody has said anything of an identity
// without a document; a document without a state denies.
func ReadOptOut(snap *firestore.DocumentSnapshot) (OptOut, error) {
	if !snap.Exists() {
		return OptOut{State: consent.Unset}, nil
	}
	o := OptOut{}
	if err := snap.DataTo(&o); err != nil {
		return OptOut{}, fmt.Errorf("decode opt-out: %w", err)
	}
	if o.State == "" {
		o.State = consent.Denied
	}
	return o, nil
}

// optOut is what edge is to know of a person at one of the identities; none if nothing was
// said.
func (d *Doc) optOut(key Key) (o OptOut, any bool) {
	o = OptOut{State: d.Consent.State, At: d.Consent.At, By: d.Consent.By}
	said := d.Said
	if len(said) == 0 {
		said = []Consent{d.Consent}
	}
	var own []Consent
	for _, c := range said {
		if c.At.After(o.At) {
			o.At = c.At
		}
		if c.Under == key {
			own = append(own, c)
		}
	}
	o.Own = inForce(own).State
	return o, o.State != ""
}

// newer reports whether an opt-out takes the place of another. Of the same time the one
// that restricts more does; of the same state as well, the one that comes later.
func (o OptOut) newer(than OptOut) bool {
	if c := cmp.Or(o.At.Compare(than.At), cmp.Compare(restricts[o.State], restricts[than.State])); c != 0 {
		return c > 0
	}
	return o.By != than.By || o.Own != than.Own
}

// setOptOuts tells the edge database of identities what their person has said, where it
// does not know of something newer. An erasure may have gone through both databases
// since the person was read: the identities' fences are looked for last, and then what it
// did is done again.
func setOptOuts(ctx context.Context, dbs gcp.Databases, project string, keys []Key, of *Doc) error {
	edge := dbs.Edge
	newest, said := of.optOut("")
	if !said || len(keys) == 0 {
		return nil
	}
	refs := make([]*firestore.DocumentRef, len(keys))
	for i, k := range keys {
		refs[i] = OptOutRef(edge, project, k)
	}
	err := edge.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		snaps, err := tx.GetAll(refs)
		if err != nil {
			return err
		}
		for i := range refs {
			old, err := ReadOptOut(snaps[i])
			if err != nil {
				return err
			}
			o, _ := of.optOut(keys[i])
			if snaps[i].Exists() && !o.newer(old) {
				continue
			}
			o.Filled = old.Filled
			if err := tx.Set(refs[i], o); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("set opt-outs: %w", err)
	}
	now, err := readMembers(Reader(ctx, dbs.Default), dbs.Default, project, keys)
	if err != nil {
		return err
	}
	for _, m := range now {
		if m.Doc.AfterFence(newest.At) {
			continue
		}
		if _, err := SettleOptOuts(ctx, dbs, project, []Key{m.Key}, m.Doc.ErasedAt); err != nil {
			return err
		}
	}
	return nil
}

// spreadMost is how many opt-outs are written in one transaction.
const spreadMost = 100

// SpreadOptOuts tells the edge database of all identities of an identity's person what the
// person has said. It can be done again at any time, and goes on for as long as more says
// that there is time; done is false if that ended first.
func SpreadOptOuts(ctx context.Context, dbs gcp.Databases, project string, key Key, more func() bool) (done bool, err error) {
	s, err := Find(Reader(ctx, dbs.Default), dbs.Default, project, key)
	if err != nil {
		return false, err
	}
	return SpreadBelow(ctx, dbs, project, s.Person.Key, more)
}

// SpreadBelow is SpreadOptOuts for one identity and those that are linked to it alone.
func SpreadBelow(ctx context.Context, dbs gcp.Databases, project string, key Key, more func() bool) (done bool, err error) {
	s, err := Find(Reader(ctx, dbs.Default), dbs.Default, project, key)
	if err != nil {
		return false, err
	}
	var keys []Key
	for m, err := range Members(ctx, dbs.Default, project, s.Own, false) {
		if err != nil {
			return false, err
		}
		if keys = append(keys, m.Key); len(keys) == spreadMost {
			if err := setOptOuts(ctx, dbs, project, keys, &s.Person.Doc); err != nil {
				return false, err
			}
			if keys = keys[:0]; !more() {
				return false, nil
			}
		}
	}
	return true, setOptOuts(ctx, dbs, project, keys, &s.Person.Doc)
}
