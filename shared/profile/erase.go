package profile

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cloud.google.com/go/firestore"
	"google.golang.org/api/iterator"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
)

// Erasure is a document of operations that holds something received at or before a
// fence.
type Erasure struct {
	Ref        *firestore.DocumentRef
	Read       firestore.Precondition // as it was found
	Operations int                    // that are to go
	Kept       *Doc                   // what remains of it, in the same place; mostly nothing
}

// Erasures finds the documents of a person's operations that hold something
// received at or before the fence; young reports whether there is anything that
// came after it.
func Erasures(ctx context.Context, db *firestore.Client, project string, key person.Key, fence time.Time) (found []Erasure, young bool, err error) {
	docs := person.Ref(db, project, key).Collection(Collection).Documents(ctx)
	defer docs.Stop()
	for {
		snap, err := docs.Next()
		if errors.Is(err, iterator.Done) {
			return found, young, nil
		}
		if err != nil {
			return nil, false, fmt.Errorf("find operations: %w", err)
		}
		var d Doc
		if err := snap.DataTo(&d); err != nil {
			return nil, false, fmt.Errorf("decode operations: %w", err)
		}
		ops, err := unpack(d.Data)
		if err != nil {
			return nil, false, fmt.Errorf("read operations that are to be erased: %w", err)
		}
		kept := afterFence(&person.Doc{ErasedAt: fence}, ops)
		young = young || len(kept) > 0
		if len(kept) == len(ops) {
			continue
		}
		e := Erasure{Ref: snap.Ref, Read: firestore.LastUpdateTime(snap.UpdateTime), Operations: len(ops) - len(kept)}
		if len(kept) > 0 {
			e.Kept = &Doc{Received: d.Received, Data: pack(kept)}
		}
		found = append(found, e)
	}
}

// Refold makes a person's profile anew from the operations that came after the
// fence: an operation may have been stored just before the fence was, and have
// come just after it.
func Refold(ctx context.Context, db *firestore.Client, project string, key person.Key) error {
	ref := person.Ref(db, project, key)
	err := db.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		snap, err := tx.Get(ref)
		if status.Code(err) == codes.NotFound {
			return nil
		}
		if err != nil {
			return err
		}
		var doc person.Doc
		if err := snap.DataTo(&doc); err != nil {
			return fmt.Errorf("decode person: %w", err)
		}
		logs, err := readAll(tx, ref.Collection(Collection))
		if err != nil {
			return err
		}
		var all []event.Op
		for _, l := range logs {
			all = append(all, afterFence(&doc, l.ops)...)
		}
		if len(all) == 0 {
			return nil
		}
		Sort(all)
		p, err := Apply(Profile{}, all)
		if err != nil {
			return err
		}
		at := all[len(all)-1].Received.Time()
		if doc.ProfileAt.After(at) {
			at = doc.ProfileAt
		}
		if p.JSON() == doc.Profile && at.Equal(doc.ProfileAt) {
			return nil
		}
		return tx.Set(ref, map[string]any{
			"profile": p.JSON(), "profile_at": at, "distinct_id": all[0].DistinctID, "first_seen": firstSeen(&doc, all[0]),
		}, firestore.MergeAll)
	})
	if err != nil {
		return fmt.Errorf("fold a profile anew: %w", err)
	}
	return nil
}

func firstSeen(doc *person.Doc, first event.Op) time.Time {
	if doc.FirstSeen.IsZero() {
		return first.Received.Time()
	}
	return doc.FirstSeen
}
