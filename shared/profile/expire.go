package profile

import (
	"context"
	"errors"
	"fmt"

	"cloud.google.com/go/firestore"
	"google.golang.org/api/iterator"

	"github.com/lethe-analytics/lethe/shared/amend"
	"github.com/lethe-analytics/lethe/shared/person"
)

// Reached reports whether the amendments change any of a person's operations. It
// locks nothing.
func Reached(ctx context.Context, db *firestore.Client, project string, key person.Key, set *amend.Set) (bool, error) {
	docs := person.Ref(db, project, key).Collection(Collection).Documents(ctx)
	defer docs.Stop()
	for {
		snap, err := docs.Next()
		if errors.Is(err, iterator.Done) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("read operations: %w", err)
		}
		var d Doc
		if err := snap.DataTo(&d); err != nil {
			return false, fmt.Errorf("decode operations: %w", err)
		}
		ops, err := unpack(d.Data)
		if err != nil {
			return false, err
		}
		if changed, _, err := set.Ops(ops); changed || err != nil {
			return changed, err
		}
	}
}

// AmendTx rewrites an identity's operations within a transaction of the caller's, who has
// written nothing in it yet: a part of them, if done is false. Freshen then folds the
// profile anew.
func AmendTx(tx *firestore.Transaction, ref *firestore.DocumentRef, set *amend.Set) (n Counts, done bool, err error) {
	return (&opsAmendment{ref: ref, mark: ref, set: set}).amendTx(tx)
}
