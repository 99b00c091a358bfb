package profile

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/amend"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/person"
)

// Counts says what Amend did.
type Counts struct {
	Operations int `json:"operations"` // documents of operations that were written anew or deleted
	Properties int `json:"properties"` // properties of the profile that are gone, new, or have another value
}

// Add adds other counts to these.
func (n *Counts) Add(m Counts) {
	n.Operations += m.Operations
	n.Properties += m.Properties
}

// Amend rewrites an identity's stored operations under its amendments, which must stand
// on its document already, and folds the person's profile anew. If others stand there by
// now, nothing is written (amend.Set.Check). Once it changes nothing it is done.
//
// The operations to be added are those of one request, by which the amendments do
// not touch them (amend.Set.Op). They come in once, and only if the identity is there
// and was not erased since their receipt. A Conflict says that the profile has no
// room for them.
func Amend(ctx context.Context, db *firestore.Client, project string, key person.Key, set *amend.Set, add ...event.Op) (Counts, error) {
	all, err := AmendOps(ctx, db, project, key, key, set)
	if err != nil {
		return all, err
	}
	if len(add) > 0 {
		if err := addOps(ctx, db, project, key, set, add); err != nil {
			return all, err
		}
	}
	n, err := Freshen(ctx, db, project, key)
	all.Properties += n
	return all, err
}

// Freshen folds the profile of an identity's person anew, if operations of the identity
// have changed since it was folded (person.Doc.Stale), and counts the properties that
// this changes.
func Freshen(ctx context.Context, db *firestore.Client, project string, key person.Key) (changed int, err error) {
	ref := person.Ref(db, project, key)
	var read string // the mark that has been seen to
	for again := true; again; {
		err := db.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
			doc, _, err := readDoc(tx, ref)
			if again = err == nil && doc.Stale != "" && doc.Stale != read; again || err != nil || doc.Stale == "" {
				read = doc.Stale
				return err
			}
			return tx.Update(ref, []firestore.Update{{Path: "stale", Value: firestore.Delete}})
		})
		if err != nil {
			return changed, fmt.Errorf("look whether a profile is stale: %w", err)
		}
		if again {
			n, err := Refold(ctx, db, project, key)
			if err != nil {
				return changed, err
			}
			changed += n
		}
	}
	return changed, nil
}

// addOps stores operations of a request, unless they have been before or the identity is
// not there to have them.
func addOps(ctx context.Context, db *firestore.Client, project string, key person.Key, set *amend.Set, add []event.Op) error {
	s, err := person.Find(person.Reader(ctx, db), db, project, key)
	if err != nil {
		return err
	}
	logs, err := readPerson(ctx, db, project, &s.Person)
	if err != nil {
		return err
	}
	ref := person.Ref(db, project, key)
	at := ref.Collection(Collection).Doc(opsID(add))
	if slices.ContainsFunc(logs, func(l stored) bool { return l.ref.Path == at.Path }) {
		return nil
	}
	add = slices.Clone(add)
	_, left, err := set.Ops(add) // what was asked after them
	if err != nil || !left {
		return err
	}
	all := slices.Clone(add)
	for _, l := range logs {
		all = append(all, l.ops...)
	}
	Sort(all)
	if err := fits(all, add); err != nil {
		return err
	}
	err = db.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		doc, found, err := readDoc(tx, ref)
		if err != nil || !found || doc.DistinctID == "" || !doc.AfterFence(add[0].Received.Time()) {
			return err
		}
		if err := tx.Set(ref, map[string]any{"stale": rand.Text(), "operates": true}, firestore.MergeAll); err != nil {
			return err
		}
		return rewrite(tx, []stored{{ref: at, ops: add}})
	})
	if err != nil {
		return fmt.Errorf("add to a profile: %w", err)
	}
	return nil
}

// fits makes sure that added operations had their effect when they came: one that
// would take the profile over MaxBytes has none.
func fits(sorted, added []event.Op) error {
	if len(added) == 0 {
		return nil
	}
	last := added[len(added)-1]
	i := slices.IndexFunc(sorted, func(o event.Op) bool { return compare(o, last) == 0 })
	before, err := Apply(Profile{}, sorted[:max(i+1-len(added), 0)])
	if err != nil {
		return err
	}
	f := newFold(before, MaxBytes)
	for i := range added {
		switch fits, err := f.apply(&added[i]); {
		case err != nil:
			return err
		case !fits:
			return fault.New(fault.Conflict, "the profile would be over %d bytes", MaxBytes)
		}
	}
	return nil
}

// difference counts the properties that are not the same in both.
func difference(a, b Profile) int {
	n := 0
	for name, v := range a {
		if w, ok := b[name]; !ok || w != v {
			n++
		}
	}
	for name := range b {
		if _, ok := a[name]; !ok {
			n++
		}
	}
	return n
}

// rewrite writes documents anew, and deletes those that are left empty.
func rewrite(tx *firestore.Transaction, docs []stored) error {
	for _, d := range docs {
		var err error
		if len(d.ops) == 0 {
			err = tx.Delete(d.ref)
		} else {
			err = tx.Set(d.ref, Doc{Received: d.ops[len(d.ops)-1].Received.Time(), Data: pack(d.ops)})
		}
		if err != nil {
			return err
		}
	}
	return nil
}
