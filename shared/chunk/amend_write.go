package chunk

import (
	"context"
	"fmt"

	"cloud.google.com/go/firestore"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/gcp"
)

// flush writes some chunks in one transaction. If one of them is no longer as it was
// read, each is done on its own.
func (a *amender) flush(ctx context.Context, some []rewrite) error {
	if len(some) == 0 {
		return nil
	}
	err := a.write(ctx, some...)
	if !gcp.Overtaken(err) {
		return err
	}
	for i := range some {
		if err := a.alone(ctx, some[i].ref); err != nil {
			return err
		}
	}
	return nil
}

// write replaces chunks in one transaction that reads none of them: the preconditions
// keep what others have written meanwhile.
func (a *amender) write(ctx context.Context, some ...rewrite) error {
	var n Counts
	for _, r := range some {
		n.Add(r.n)
	}
	err := a.db.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		if a.within != nil {
			if err := a.within(tx, n); err != nil {
				return err
			}
		}
		for _, r := range some {
			inPlace := false
			for _, c := range r.chunks {
				ref, there := r.ref.Parent.Doc(c.ID), c.there
				if c.ID == r.ref.ID { // the content came out as it was
					inPlace, there = true, r.read
				}
				var err error
				if there == nil {
					err = tx.Create(ref, c.Doc)
				} else {
					err = tx.Update(ref, c.fields(), there)
				}
				if err != nil {
					return err
				}
			}
			if inPlace {
				continue
			}
			if err := tx.Delete(r.ref, r.read); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("rewrite chunks: %w", err)
	}
	a.n.Add(n)
	return nil
}

func (d *Doc) fields() []firestore.Update {
	return []firestore.Update{
		{Path: "project", Value: d.Project}, {Path: "day", Value: d.Day}, {Path: "received", Value: d.Received},
		{Path: "oldest", Value: d.Oldest}, {Path: "count", Value: d.Count}, {Path: "data", Value: d.Data},
	}
}

// amendTries is how often a chunk that others keep writing is tried.
const amendTries = 20

// alone amends one chunk, as it is now, and joins what it becomes to what stands
// there already.
func (a *amender) alone(ctx context.Context, ref *firestore.DocumentRef) error {
	for range amendTries {
		snap, err := ref.Get(ctx)
		if status.Code(err) == codes.NotFound {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read chunk: %w", err)
		}
		r, kept, err := a.plan(snap)
		if err != nil || r == nil {
			return err
		}
		if err := a.join(ctx, r, kept); err != nil {
			return err
		}
		if err := a.write(ctx, *r); !gcp.Overtaken(err) {
			return err
		}
	}
	return fault.New(fault.Unavailable, "a chunk is being written without pause")
}

// join looks for chunks that have the new ones' content. Of each event the latest
// receipt is kept.
func (a *amender) join(ctx context.Context, r *rewrite, kept []event.Event) error {
	for i := range r.chunks {
		c := &r.chunks[i]
		mine := kept[:c.Count]
		kept = kept[c.Count:]
		if c.ID == r.ref.ID {
			continue
		}
		snap, err := r.ref.Parent.Doc(c.ID).Get(ctx)
		if status.Code(err) == codes.NotFound {
			continue
		}
		if err != nil {
			return fmt.Errorf("read chunk: %w", err)
		}
		var doc Doc
		if err := snap.DataTo(&doc); err != nil {
			return fmt.Errorf("decode chunk: %w", err)
		}
		var all []event.Event
		if err := event.Unpack(doc.Data, func(e *event.Event) error { all = append(all, *e); return nil }, nil); err != nil {
			return fmt.Errorf("amend a chunk: %w", err)
		}
		var b builder
		for _, e := range latest(append(all, mine...)) {
			b.add(&e)
		}
		c.Chunk = b.chunk(a.project, c.Day)
		c.there = firestore.LastUpdateTime(snap.UpdateTime)
	}
	return nil
}
