package profile

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"cloud.google.com/go/firestore"
	"google.golang.org/api/iterator"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lethe-analytics/lethe/shared/amend"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/person"
)

// Limits of what Amend writes in one transaction; more is done in several.
const (
	amendDocs  = 200
	amendBytes = 2 << 20
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

// Amend rewrites a person's stored operations under the person's amendments, which
// must stand on the person's document already, and folds the profile anew. If others
// stand there by now, nothing is written (amend.Set.Check). Once it changes nothing it
// is done.
//
// The operations to be added are those of one request, by which the amendments do
// not touch them (amend.Set.Op). They come in once, and only if the person is there
// and was not erased since their receipt. A Conflict says that the profile has no
// room for them.
func Amend(ctx context.Context, db *firestore.Client, project string, key person.Key, set *amend.Set, add ...event.Op) (Counts, error) {
	var all Counts
	for {
		var n Counts
		var done bool
		err := db.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) (err error) {
			n, done, err = amendTx(tx, person.Ref(db, project, key), set, add, true)
			return err
		})
		if err != nil {
			return all, fmt.Errorf("amend a profile: %w", err)
		}
		if all.Add(n); done {
			return all, nil
		}
	}
}

// amendTx is Amend's transaction, of a set of the person's own amendments or of others;
// done is false if there is more than it may write.
func amendTx(tx *firestore.Transaction, ref *firestore.DocumentRef, set *amend.Set, add []event.Op, own bool) (n Counts, done bool, err error) {
	snap, err := tx.Get(ref)
	if status.Code(err) == codes.NotFound {
		return n, true, nil
	}
	if err != nil {
		return n, false, fmt.Errorf("read person: %w", err)
	}
	var doc person.Doc
	if err := snap.DataTo(&doc); err != nil {
		return n, false, fmt.Errorf("decode person: %w", err)
	}
	if own {
		if err := set.Check(doc.Amendments); err != nil {
			return n, false, err
		}
	}
	stands := ref.Collection(Collection)
	logs, err := readAll(tx, stands)
	if err != nil {
		return n, false, err
	}
	var all []event.Op
	var changed []stored
	size := 0
	for _, l := range logs {
		touched, left, err := set.Ops(l.ops)
		if err != nil {
			return n, false, err
		}
		if !left {
			l.ops = nil
		}
		if touched {
			changed = append(changed, l)
			size += len(pack(l.ops))
		}
		if all = append(all, afterFence(&doc, l.ops)...); len(changed) == amendDocs || size > amendBytes {
			n.Operations = len(changed)
			return n, false, rewrite(tx, changed)
		}
	}
	n.Operations = len(changed)
	at, ops, err := fresh(stands, &doc, logs, set, add)
	if err != nil {
		return n, false, err
	}
	all = append(all, ops...)
	Sort(all)
	p, err := Apply(Profile{}, all)
	if err != nil {
		return n, false, err
	}
	if err := fits(all, ops); err != nil {
		return n, false, err
	}
	old, err := Parse(doc.Profile)
	if err != nil {
		return n, false, err
	}
	if n.Properties = difference(old, p); n.Properties+len(ops) > 0 {
		newest := doc.ProfileAt // not earlier, or what is delivered again would look new
		for _, o := range ops {
			if t := o.Received.Time(); t.After(newest) {
				newest = t
			}
		}
		if err := tx.Set(ref, map[string]any{"profile": p.JSON(), "profile_at": newest}, firestore.MergeAll); err != nil {
			return n, false, err
		}
	}
	if len(ops) > 0 {
		changed = append(changed, stored{at, ops})
	}
	return n, true, rewrite(tx, changed)
}

// readAll reads a person's operations, a document at a time.
func readAll(tx *firestore.Transaction, own *firestore.CollectionRef) ([]stored, error) {
	var logs []stored
	docs := tx.Documents(own)
	defer docs.Stop()
	for {
		snap, err := docs.Next()
		if errors.Is(err, iterator.Done) {
			return logs, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read operations: %w", err)
		}
		var d Doc
		if err := snap.DataTo(&d); err != nil {
			return nil, fmt.Errorf("decode operations: %w", err)
		}
		ops, err := unpack(d.Data)
		if err != nil {
			return nil, err
		}
		logs = append(logs, stored{snap.Ref, ops})
	}
}

// fresh gives the operations to be added, unless they have been before or the person
// is not there to have them, and where they are to stand.
func fresh(own *firestore.CollectionRef, doc *person.Doc, logs []stored, set *amend.Set, add []event.Op) (*firestore.DocumentRef, []event.Op, error) {
	if len(add) == 0 || doc.DistinctID == "" || !doc.AfterFence(add[0].Received.Time()) {
		return nil, nil, nil
	}
	add = slices.Clone(add)
	at := own.Doc(opsID(add))
	if slices.ContainsFunc(logs, func(l stored) bool { return l.ref.ID == at.ID }) {
		return nil, nil, nil
	}
	_, left, err := set.Ops(add) // what was asked after them
	if err != nil || !left {
		return nil, nil, err
	}
	return at, add, nil
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
	f := newFold(before)
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
