package profile

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cloud.google.com/go/firestore"
	"google.golang.org/api/iterator"

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

// Write takes out, in a transaction, what is to go.
func (e Erasure) Write(tx *firestore.Transaction) error {
	if e.Kept == nil {
		return tx.Delete(e.Ref, e.Read)
	}
	return tx.Update(e.Ref, []firestore.Update{{Path: "received", Value: e.Kept.Received}, {Path: "data", Value: e.Kept.Data}}, e.Read)
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
