package profile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"

	"cloud.google.com/go/firestore"
	"golang.org/x/sync/errgroup"
	"google.golang.org/api/iterator"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/person"
)

// refoldTries is how often a profile is folded that others keep writing.
const refoldTries = 30

// Refold makes the profile of an identity's person anew from the operations of all
// identities of the person, and reports how many properties that has changed. What a
// $delete took away is removed: what has been deleted is not kept. It can be done again
// at any time.
//
// The operations are read outside of the transaction, which must not grow with them.
// Whoever stores some that the profile lacks folds it after that.
func Refold(ctx context.Context, db *firestore.Client, project string, key person.Key) (changed int, err error) {
	for range refoldTries {
		s, err := person.Find(person.Reader(ctx, db), db, project, key)
		if err != nil {
			return 0, err
		}
		if !s.Person.Exists() {
			return 0, nil
		}
		changed, err = refold(ctx, db, project, &s.Person)
		if !gcp.Overtaken(err) {
			return changed, err
		}
	}
	return 0, fault.New(fault.Unavailable, "a person's profile is being written without pause")
}

func refold(ctx context.Context, db *firestore.Client, project string, p *person.Member) (changed int, err error) {
	logs, err := readPerson(ctx, db, project, p)
	if err != nil {
		return 0, err
	}
	all, err := removeDeleted(ctx, db, logs)
	if err != nil {
		return 0, err
	}
	old, err := Parse(p.Doc.Profile)
	if err != nil {
		return 0, err
	}
	updates := []firestore.Update{}
	now := Profile{}
	if len(all) > 0 {
		written, err := fields(&person.Doc{}, all)
		if err != nil {
			return 0, err
		}
		if now, err = Parse(written["profile"].(string)); err != nil {
			return 0, err
		}
		for _, name := range []string{"profile", "profile_at", "attested", "no_room"} {
			value, ok := written[name]
			if !ok {
				value = firestore.Delete
			}
			updates = append(updates, firestore.Update{Path: name, Value: value})
		}
	} else if p.Doc.Profile != "" {
		updates = []firestore.Update{{Path: "profile", Value: "{}"}, {Path: "attested", Value: firestore.Delete}, {Path: "no_room", Value: firestore.Delete}}
	}
	if len(updates) == 0 {
		return 0, nil
	}
	if first := firstOf(logs, p.Key); p.Doc.DistinctID == "" && first != nil { // stored just before a fence, and received just after it
		updates = append(updates, firestore.Update{Path: "distinct_id", Value: first.DistinctID},
			firestore.Update{Path: "first_seen", Value: first.Received.Time()})
	}
	if _, err = p.Snap.Ref.Update(ctx, updates, firestore.LastUpdateTime(p.Snap.UpdateTime)); err != nil {
		return 0, fmt.Errorf("fold a profile anew: %w", err)
	}
	return difference(old, now), nil
}

// firstOf is the first operation of one identity; nil: there is none.
func firstOf(logs []stored, key person.Key) (first *event.Op) {
	for _, l := range logs {
		for i := range l.ops {
			if l.ref.Parent.Parent.ID == string(key) && (first == nil || compare(l.ops[i], *first) < 0) {
				first = &l.ops[i]
			}
		}
	}
	return first
}

// parallelReads is how many identities' operations are read at a time.
const parallelReads = 16

// readPerson reads the operations of all identities of a person that came after their
// fences. What an erasure has not got to yet is left out.
func readPerson(ctx context.Context, db *firestore.Client, project string, p *person.Member) ([]stored, error) {
	var mu sync.Mutex
	var logs []stored
	read := func(ctx context.Context, m *person.Member) error {
		own, err := readLogs(person.Ref(db, project, m.Key).Collection(Collection).Documents(ctx))
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		for _, l := range own {
			l.ops = afterFence(&m.Doc, l.ops)
			logs = append(logs, l)
		}
		return nil
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelReads)
	var failed error
	for m, err := range person.Members(gctx, db, project, *p, false) {
		if err != nil {
			failed = err
			break
		}
		if m.Doc.Operates || m.Key == p.Key {
			g.Go(func() error { return read(gctx, &m) })
		}
	}
	return logs, cmp.Or(g.Wait(), failed)
}

// readLogs reads documents of operations, one at a time.
func readLogs(docs *firestore.DocumentIterator) ([]stored, error) {
	defer docs.Stop()
	var logs []stored
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
		logs = append(logs, stored{ref: snap.Ref, ops: ops, read: firestore.LastUpdateTime(snap.UpdateTime)})
	}
}

// removeDeleted takes out of what is stored what a $delete took away, and gives the rest
// in order. A token's reaches the operations of its own identity alone: who links a device
// to a user must not delete the user's profile by it.
func removeDeleted(ctx context.Context, db *firestore.Client, logs []stored) (all []event.Op, err error) {
	var whole *event.Op           // the last that reaches the person
	own := map[string]*event.Op{} // by identity: the last that reaches it alone
	for _, l := range logs {
		for i := range l.ops {
			o, key := &l.ops[i], l.ref.Parent.Parent.ID
			switch {
			case o.Name != "$delete":
			case o.Speaker == event.ByToken:
				own[key] = laterOp(own[key], o)
			default:
				whole = laterOp(whole, o)
			}
		}
	}
	for _, l := range logs {
		deletion := laterOp(own[l.ref.Parent.Parent.ID], whole)
		kept := l.ops
		if deletion != nil {
			kept = notBefore(l.ops, deletion)
			if err := removeFrom(ctx, db, l, kept); err != nil {
				return nil, err
			}
		}
		for _, o := range kept {
			if o.Name != "$delete" || o.Speaker != event.ByToken {
				all = append(all, o)
			}
		}
	}
	Sort(all)
	return all, nil
}

func laterOp(a, b *event.Op) *event.Op {
	if a == nil || b != nil && compare(*a, *b) < 0 {
		return b
	}
	return a
}

// removeFrom leaves the kept operations in a document. Where others have written it
// meanwhile, it is left to the next folding.
func removeFrom(ctx context.Context, db *firestore.Client, l stored, kept []event.Op) error {
	if len(kept) == len(l.ops) {
		return nil
	}
	err := db.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		if len(kept) == 0 {
			return tx.Delete(l.ref, l.read)
		}
		return tx.Update(l.ref, []firestore.Update{{Path: "data", Value: pack(kept)}}, l.read)
	})
	if err != nil && !gcp.Overtaken(err) {
		return fmt.Errorf("remove operations before a $delete: %w", err)
	}
	return nil
}
