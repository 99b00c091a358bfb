package join

import (
	"context"
	"fmt"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/profile"
)

// eraseMost is how many documents are looked at in one go.
const eraseMost = 200

// erase removes what is stored of an identity from before its fence, under which it came
// with a link to a person who had been erased, and does the same to the identities that
// were linked to it by then.
func erase(ctx context.Context, dbs gcp.Databases, project string, of *person.Member, more func() bool) error {
	fence := of.Doc.ErasedAt
	if err := eraseLinked(ctx, dbs, project, of, more); err != nil {
		return err
	}
	if _, err := person.SettleOptOuts(ctx, dbs, project, []person.Key{of.Key}, fence); err != nil {
		return err
	}
	for {
		writes, young, err := find(ctx, dbs.Default, project, of.Key, fence)
		if err != nil {
			return err
		}
		if len(writes) == 0 {
			if young == nil {
				return nil
			}
			return chunk.Revive(ctx, dbs.Default, project, of.Key, young)
		}
		for _, write := range writes {
			err := dbs.Default.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error { return write(tx) })
			if err != nil && !gcp.Overtaken(err) {
				return fmt.Errorf("erase what a link brought under a fence: %w", err)
			}
			if !more() {
				return unfinished(nil)
			}
		}
	}
}

// find looks for what is to go; young is a chunk that holds something that stays.
func find(ctx context.Context, db *firestore.Client, project string, key person.Key, fence time.Time) (writes []func(*firestore.Transaction) error, young *firestore.DocumentRef, err error) {
	for c, err := range chunk.Erasures(ctx, db, project, key, fence) {
		if err != nil {
			return nil, nil, err
		}
		if c.Events > 0 {
			writes = append(writes, c.Write)
		} else {
			young = c.Ref
		}
		if len(writes) >= eraseMost {
			break
		}
	}
	ops, _, err := profile.Erasures(ctx, db, project, key, fence)
	if err != nil {
		return nil, nil, err
	}
	for _, o := range ops {
		writes = append(writes, o.Write)
	}
	consents, err := person.Ref(db, project, key).Collection(person.ConsentsCollection).
		Where("at", "<=", fence).Select().Limit(eraseMost).Documents(ctx).GetAll()
	if err != nil {
		return nil, nil, fmt.Errorf("find consents: %w", err)
	}
	for _, c := range consents {
		writes = append(writes, func(tx *firestore.Transaction) error { return tx.Delete(c.Ref) })
	}
	return writes, young, nil
}

// eraseLinked brings those that were linked to an identity under its fence.
func eraseLinked(ctx context.Context, dbs gcp.Databases, project string, to *person.Member, more func() bool) error {
	if !to.Doc.Joined {
		return nil
	}
	var after person.Key
	for full := true; full; {
		page, err := person.ReadLinked(ctx, dbs.Default, project, to.Key, after, eraseMost)
		if err != nil {
			return err
		}
		full = len(page) == eraseMost
		for _, m := range page {
			after = m.Key
			settle := func() error { return Settle(ctx, dbs, project, m.Key, more) }
			if err := person.EraseLinked(ctx, dbs.Default, project, m.Key, to.Key, to.Doc.ErasedAt, settle); err != nil {
				return err
			}
			if !more() {
				return unfinished(nil)
			}
		}
	}
	return nil
}
