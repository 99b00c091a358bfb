package person

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/gcp"
)

// Erase are the changes of an identity's document that set the fence and take away all
// that is personal. What remains is the fence and, so that nobody who has said no is
// recorded again for having been forgotten, the denial of the person whose the identity
// was; with suppress there is one in any case. A link that came after the fence stays, and
// a key's word that the identity is nobody's; and that there may be operations and
// statements, for those since the fence are there.
func (d *Doc) Erase(fence time.Time, suppress bool, of *Doc) map[string]any {
	changes := map[string]any{"erased_at": fence}
	for _, field := range []string{"distinct_id", "first_seen", "profile", "profile_at", "attested", "no_room", "stale", "restriction", "amendments", "link", "no_effect", "said", "consent"} {
		changes[field] = firestore.Delete
	}
	if d.Link != nil && (d.Link.To == "" || d.Link.Received.After(fence)) {
		delete(changes, "link")
		if d.Parent() != "" { // what is said is the person's
			return changes
		}
	}
	after := slices.DeleteFunc(slices.Clone(of.Said), func(c Consent) bool { return !c.At.After(fence) })
	switch denied := of.consentAt(fence) == consent.Denied; {
	case suppress:
		after = append([]Consent{{ID: "erasure", State: consent.Denied, Source: "erasure", At: fence, By: event.ByKey.String()}}, after...)
	case denied:
		last := inForce(slices.DeleteFunc(slices.Clone(of.Said), func(c Consent) bool { return c.At.After(fence) }))
		after = append([]Consent{{ID: "erasure", State: consent.Denied, At: cmp.Or(last.At, of.Consent.At), By: cmp.Or(last.By, of.Consent.By), Under: cmp.Or(last.Under, of.Consent.Under)}}, after...)
	}
	if len(after) > 0 {
		changes["said"], changes["consent"] = after, inForce(after)
	}
	return changes
}

// Leave is Erase for an identity that is the person's by a link, which its erasure cuts:
// of what was said since, it keeps what was said under itself. What the person loses are
// the grants that were said under the identity; what restricts stays with both. The
// changes of the person's document are nil if there are none. A denial remains with the
// identity also if it follows from what others have said.
func (m *Member) Leave(of *Member, fence time.Time, suppress bool, others ...Consent) (own, persons map[string]any) {
	said := of.Doc
	said.hear(others...)
	said.Said = slices.DeleteFunc(slices.Clone(said.Said), func(c Consent) bool { return c.At.After(fence) && c.Under != m.Key })
	own = m.Doc.Erase(fence, suppress, &said)
	_, cut := own["link"]
	return own, of.Doc.lose(func(c Consent) bool { return c.Under == m.Key && (cut || !c.At.After(fence)) })
}

// lose takes grants out of the timeline, and gives the fields that this changes.
func (d *Doc) lose(gone func(Consent) bool) map[string]any {
	left := slices.DeleteFunc(slices.Clone(d.Said), func(c Consent) bool { return c.State == consent.Granted && gone(c) })
	if len(left) == len(d.Said) {
		return nil
	}
	d.Said, d.Consent = left, inForce(left)
	return d.consentFields()
}

// EraseLinked brings an identity that is linked to an erased one under its fence, as if
// it had been linked there before the erasure. The link goes once settle has done what is
// then pending of the identity, so that whoever is killed finds it again. A link that came
// after the fence, or is provisional, stays as it is.
func EraseLinked(ctx context.Context, db *firestore.Client, project string, key, to Key, fence time.Time, settle func() error) error {
	linked := false
	change := func(fields func(*Standing) (own, persons map[string]any)) error {
		return db.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
			s, err := Find(tx.GetAll, db, project, key)
			if err != nil {
				return err
			}
			if linked = s.Own.Doc.Parent() == to && !s.Own.Doc.Link.Received.After(fence); !linked {
				return nil
			}
			own, persons := fields(s)
			if err := set(tx, db, project, key, own); err != nil {
				return err
			}
			return set(tx, db, project, s.Person.Key, persons)
		})
	}
	err := change(func(s *Standing) (own, persons map[string]any) {
		own, persons = s.Own.Leave(&s.Person, later(fence, s.Own.Doc.ErasedAt), false)
		delete(own, "link")
		pending := Pending{Erase: true}
		pending.add(s.Own.Doc.Pending)
		own["pending"] = pending
		return own, persons
	})
	if err == nil && linked {
		if err = settle(); err == nil {
			err = change(func(*Standing) (own, _ map[string]any) { return map[string]any{"link": firestore.Delete}, nil })
		}
	}
	if err != nil {
		return fmt.Errorf("bring an identity under a fence: %w", err)
	}
	return nil
}

// SettleOptOuts brings the opt-outs of identities in line with what their persons'
// documents say after an erasure, and counts those that were not. Of somebody who has
// said nothing since the fence none is left.
func SettleOptOuts(ctx context.Context, dbs gcp.Databases, project string, keys []Key, fence time.Time) (settled int, err error) {
	all, err := FindAll(Reader(ctx, dbs.Default), dbs.Default, project, keys)
	if err != nil {
		return 0, err
	}
	refs := make([]*firestore.DocumentRef, len(keys))
	for i, k := range keys {
		refs[i] = OptOutRef(dbs.Edge, project, k)
	}
	err = dbs.Edge.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		settled = 0
		snaps, err := tx.GetAll(refs)
		if err != nil {
			return err
		}
		for i, s := range all {
			o, err := ReadOptOut(snaps[i])
			to, said := s.Person.Doc.optOut(s.Own.Key)
			to.At = s.Person.Doc.Consent.At
			switch {
			case err != nil:
				return err
			case o.At.After(fence): // said since
			case !said && snaps[i].Exists():
				settled++
				err = tx.Delete(refs[i])
			case said && (!snaps[i].Exists() || o.State != to.State || o.By != to.By || o.Own != to.Own):
				settled++
				err = tx.Set(refs[i], to)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("settle opt-outs: %w", err)
	}
	return settled, nil
}
