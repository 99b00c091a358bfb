package project

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/gcp"
)

// change is what is to become of a project's document, with a record of the change.
type change struct {
	fields map[string]any         // of the project; none: all is as it should be
	record *firestore.DocumentRef // nil: none is kept
	value  any                    // of the record
}

// maxTurns is how often a change is tried against others at the same time, of which
// one gets through at each turn.
const maxTurns = 20

// revise changes what binds intake: in (default), then in edge. It brings edge in line
// also where there is nothing to change, which mends what failed before.
func revise(ctx context.Context, db gcp.Databases, id string, decide func(p *Project) (change, error)) error {
	ref := db.Default.Doc("projects/" + id)
	for range maxTurns {
		snap, err := ref.Get(ctx)
		p, err := decode(snap, id, err)
		if err != nil {
			return err
		}
		c, err := decide(&p)
		if err != nil {
			return err
		}
		if len(c.fields) == 0 {
			return Sync(ctx, db, id)
		}
		updates := []firestore.Update{{Path: "revision", Value: p.Revision + 1}}
		for _, name := range slices.Sorted(maps.Keys(c.fields)) {
			updates = append(updates, firestore.Update{Path: name, Value: c.fields[name]})
		}
		err = db.Default.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
			if c.record != nil {
				if err := tx.Create(c.record, c.value); err != nil {
					return err
				}
			}
			return tx.Update(ref, updates, firestore.LastUpdateTime(snap.UpdateTime))
		})
		switch {
		case err == nil:
			return Sync(ctx, db, id)
		case !gcp.Overtaken(err):
			return fmt.Errorf("change project %s: %w", id, err)
		}
	}
	return fault.New(fault.Unavailable, "others change the project at the same time; try again")
}

// Sync brings what binds intake to edge, unless something newer is there.
func Sync(ctx context.Context, db gcp.Databases, id string) error {
	p, err := Get(ctx, db.Default, id)
	if err != nil {
		return err
	}
	ref := db.Edge.Doc("projects/" + id)
	err = db.Edge.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		all, err := tx.GetAll([]*firestore.DocumentRef{ref})
		if err != nil {
			return err
		}
		if snap := all[0]; snap.Exists() {
			var there Intake
			if err := snap.DataTo(&there); err != nil {
				return fmt.Errorf("decode intake: %w", err)
			}
			if there.Revision >= p.Revision {
				return nil
			}
		}
		return tx.Set(ref, p.intake())
	})
	if err != nil {
		return fmt.Errorf("bring project %s to edge: %w", id, err)
	}
	return nil
}
