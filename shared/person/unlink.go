package person

import (
	"context"
	"fmt"
	"slices"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/gcp"
)

// Disconnect takes back the link by which two identities are one person, for good: a
// token cannot make it again. Each half keeps what was said under its own ids, and both
// keep everything that restricts: a denial, a restriction, a hold; fences and amendments
// are each identity's own anyway. Two that no link joins are a NotFound fault.
func Disconnect(ctx context.Context, dbs gcp.Databases, project string, id, other Key, actor string, at time.Time) (Linked, error) {
	db := dbs.Default
	var result Linked
	err := db.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		result = Linked{News: true}
		both, err := FindAll(tx.GetAll, db, project, []Key{id, other})
		if err != nil {
			return err
		}
		x, provisional := Joint(both[0], both[1])
		if x == "" {
			for _, s := range both { // the same again, after one that did not end
				if s.takenBack() {
					result = Linked{Pending: s.Person.Key}
					return nil
				}
			}
			return fault.New(fault.NotFound, "no link joins these two identities")
		}
		found, err := FindAll(tx.GetAll, db, project, []Key{x})
		if err != nil {
			return err
		}
		own, p := found[0].Own, found[0].Person
		link := Link{By: event.ByKey.String(), Actor: actor, Received: at}
		fields := map[string]any{"link": link}
		if provisional { // nothing but reports has followed it
			return set(tx, db, project, x, fields)
		}
		theirs, err := below(tx.GetAll, db, project, &p.Doc, x)
		if err != nil {
			return err
		}
		kept, moved := divide(p.Doc.Said, theirs)
		for i := range moved {
			moved[i].From = time.Time{}
		}
		if now := p.Doc.Consent; now.State == consent.Denied {
			if theirs(now.Under) {
				kept = append(kept, now)
			} else {
				moved = append(moved, now)
			}
			slices.SortFunc(kept, compareSaid)
			slices.SortFunc(moved, compareSaid)
		}
		if p.Doc.Restriction != nil {
			fields["restriction"] = *p.Doc.Restriction
		}
		if p.Doc.Hold != nil {
			fields["hold"] = *p.Doc.Hold
		}
		own.Doc.Said, own.Doc.Consent = moved, inForce(moved)
		p.Doc.Said, p.Doc.Consent = kept, inForce(kept)
		for name, v := range own.Doc.consentFields() {
			fields[name] = v
		}
		pending := Pending{Refold: []Key{p.Key, x}, Spread: []Key{p.Key, x}}
		pending.add(own.Doc.Pending)
		fields["pending"], result.Pending = pending, x
		if err := set(tx, db, project, x, fields); err != nil {
			return err
		}
		return set(tx, db, project, p.Key, p.Doc.consentFields())
	})
	if err != nil {
		return Linked{}, fmt.Errorf("take back a link: %w", err)
	}
	return result, nil
}

// takenBack reports whether a link has been taken back above the identity that leaves
// something to be done.
func (s *Standing) takenBack() bool {
	top := &s.Person.Doc
	return top.Pending != nil && top.Link != nil && top.Link.byKey() && top.Link.To == ""
}

// Joint is the identity whose link joins two: the other's own, or where the other is
// above, the last one below it; empty: none does. Provisional links are only looked for
// next to the two.
func Joint(id, other *Standing) (x Key, provisional bool) {
	if id.Own.Key == other.Own.Key {
		return "", false
	}
	if id.Person.Key == other.Person.Key {
		if i := slices.Index(id.path, other.Own.Key); i > 0 {
			return id.path[i-1], false
		}
		return other.Own.Key, false
	}
	for _, pair := range [][2]*Standing{{other, id}, {id, other}} {
		if l := pair[0].Own.Doc.Link; l != nil && l.Provisional && l.To == pair[1].Own.Key {
			return pair[0].Own.Key, true
		}
	}
	return "", false
}

// below tells which of the identities under which a person spoke are an identity's own
// or are linked to it.
func below(get Getter, db *firestore.Client, project string, person *Doc, x Key) (func(Key) bool, error) {
	var keys []Key
	for _, c := range person.Said {
		if c.Under != "" && !slices.Contains(keys, c.Under) {
			keys = append(keys, c.Under)
		}
	}
	all, err := FindAll(get, db, project, keys)
	if err != nil {
		return nil, err
	}
	theirs := map[Key]bool{x: true}
	for i, s := range all {
		theirs[keys[i]] = slices.Contains(s.path, x)
	}
	return func(under Key) bool { return theirs[under] }, nil
}
