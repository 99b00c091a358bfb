package chunk

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"cloud.google.com/go/firestore"
	"google.golang.org/api/iterator"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
)

// Erasure is a chunk of which something is to be erased, or all that is in it came
// after the fence.
type Erasure struct {
	Ref    *firestore.DocumentRef
	Read   firestore.Precondition // as it was found
	Events int                    // that are to go; 0: none
	Kept   []Chunk                // what remains of it, as chunks of other ids; mostly nothing
}

// Write takes out, in a transaction, what is to go.
func (e Erasure) Write(tx *firestore.Transaction) error {
	for _, k := range e.Kept {
		if err := tx.Set(e.Ref.Parent.Doc(k.ID), k.Doc); err != nil {
			return err
		}
	}
	return tx.Delete(e.Ref, e.Read)
}

// Erasures goes through the chunks of a person and says of each what an erasure of
// all that was received at or before the fence does to it. Of those that are wholly older, as nearly all are, and of those that
// are wholly younger, the events are not read.
func Erasures(ctx context.Context, db *firestore.Client, project string, key person.Key, fence time.Time) iter.Seq2[Erasure, error] {
	return func(yield func(Erasure, error) bool) {
		docs := person.Ref(db, project, key).Collection(Collection).Select("received", "oldest", "count").Documents(ctx)
		defer docs.Stop()
		for {
			snap, err := docs.Next()
			if errors.Is(err, iterator.Done) {
				return
			}
			if err != nil {
				yield(Erasure{}, fmt.Errorf("find chunks: %w", err))
				return
			}
			e, err := erasure(ctx, snap, project, fence)
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// erasure says what is to be done with a chunk.
func erasure(ctx context.Context, snap *firestore.DocumentSnapshot, project string, fence time.Time) (Erasure, error) {
	var doc Doc
	if err := snap.DataTo(&doc); err != nil {
		return Erasure{}, fmt.Errorf("decode chunk: %w", err)
	}
	e := Erasure{Ref: snap.Ref, Read: firestore.LastUpdateTime(snap.UpdateTime)}
	if !doc.Received.After(fence) {
		e.Events = max(doc.Count, 1)
		return e, nil
	}
	if doc.Oldest.After(fence) {
		return e, nil
	}
	snap, err := snap.Ref.Get(ctx)
	if status.Code(err) == codes.NotFound { // gone since
		return e, nil
	}
	if err != nil {
		return e, fmt.Errorf("read chunk: %w", err)
	}
	if err := snap.DataTo(&doc); err != nil {
		return e, fmt.Errorf("decode chunk: %w", err)
	}
	e.Read = firestore.LastUpdateTime(snap.UpdateTime)
	var kept []event.Event
	err = event.Unpack(doc.Data, func(ev *event.Event) error {
		if ev.Received.Time().After(fence) {
			kept = append(kept, *ev)
		} else {
			e.Events++
		}
		return nil
	}, nil)
	if err != nil {
		return e, fmt.Errorf("read a chunk that is to be erased: %w", err)
	}
	e.Kept = Build(project, kept)
	return e, nil
}

// Revive names a person's document, which an erasure has emptied, after what came
// since, as it stands in a chunk.
func Revive(ctx context.Context, db *firestore.Client, project string, key person.Key, from *firestore.DocumentRef) error {
	ref := person.Ref(db, project, key)
	err := db.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		snaps, err := tx.GetAll([]*firestore.DocumentRef{ref, from})
		if err != nil {
			return err
		}
		if !snaps[0].Exists() || !snaps[1].Exists() {
			return nil
		}
		var doc person.Doc
		if err := snaps[0].DataTo(&doc); err != nil {
			return fmt.Errorf("decode person: %w", err)
		}
		if doc.DistinctID != "" {
			return nil
		}
		var c Doc
		if err := snaps[1].DataTo(&c); err != nil {
			return fmt.Errorf("decode chunk: %w", err)
		}
		var first event.Event
		err = event.Unpack(c.Data, func(e *event.Event) error {
			if doc.AfterFence(e.Received.Time()) && first.DistinctID == "" {
				first = *e
			}
			return nil
		}, nil)
		if err != nil || first.DistinctID == "" {
			return err
		}
		return tx.Set(ref, map[string]any{"distinct_id": first.DistinctID, "first_seen": first.Received.Time()}, firestore.MergeAll)
	})
	if err != nil {
		return fmt.Errorf("name a person anew: %w", err)
	}
	return nil
}
