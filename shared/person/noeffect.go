package person

import (
	"context"
	"fmt"
	"slices"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/identity"
)

// MaxNoEffect is how many statements without effect are told apart, of each reason.
const MaxNoEffect = 32

// withNoEffect gives the statements without effect with one more; news is false if it is
// known, or there are too many to tell it apart.
func (d *Doc) withNoEffect(said identity.Said, hash string) (all map[string][]string, news bool) {
	known := d.NoEffect[string(said)]
	if len(known) >= MaxNoEffect || slices.Contains(known, hash) {
		return d.NoEffect, false
	}
	all = map[string][]string{}
	for reason, hashes := range d.NoEffect {
		all[reason] = hashes
	}
	all[string(said)] = append(slices.Clone(known), hash)
	return all, true
}

// NoteNoEffect keeps with an identity that exists that a statement of it had no effect.
// The hash tells statements apart.
func NoteNoEffect(ctx context.Context, db *firestore.Client, project string, key Key, said identity.Said, hash string) error {
	err := db.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		found, err := readMembers(tx.GetAll, db, project, []Key{key})
		if err != nil || found[0].Doc.DistinctID == "" {
			return err
		}
		all, news := found[0].Doc.withNoEffect(said, hash)
		if !news {
			return nil
		}
		return set(tx, db, project, key, map[string]any{"no_effect": all})
	})
	if err != nil {
		return fmt.Errorf("note a statement without effect: %w", err)
	}
	return nil
}
