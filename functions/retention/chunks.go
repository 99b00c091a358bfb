package retention

import (
	"context"
	"fmt"

	"cloud.google.com/go/firestore"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lethe-analytics/lethe/shared/amend"
	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/profile"
	"github.com/lethe-analytics/lethe/shared/retention"
)

// chunkPage is how many chunks go in one transaction; of them no events are read.
const chunkPage = 200

// chunksOf is the query of a project's chunks of some days, from inclusive, to
// exclusive, that come after the cursor; its index is (project, day).
func chunksOf(db *firestore.Client, projectID, from, to string, after cursor) firestore.Query {
	q := db.CollectionGroup(chunk.Collection).Where("project", "==", projectID)
	if from != "" {
		q = q.Where("day", ">=", from)
	}
	if to != "" {
		q = q.Where("day", "<", to)
	}
	q = q.OrderBy("day", firestore.Asc).OrderBy(firestore.DocumentID, firestore.Asc)
	if after.Day != "" {
		q = q.StartAfter(after.Day, chunk.Ref(db, projectID, after.Person, after.Chunk))
	}
	return q
}

// owner is the person that a chunk belongs to.
func owner(snap *firestore.DocumentSnapshot) person.Key {
	return person.Key(snap.Ref.Parent.Parent.ID)
}

func cursorAt(snap *firestore.DocumentSnapshot) (cursor, error) {
	day, err := snap.DataAt("day")
	if err != nil {
		return cursor{}, fmt.Errorf("decode chunk: %w", err)
	}
	text, _ := day.(string)
	return cursor{Day: text, Person: owner(snap), Chunk: snap.Ref.ID}, nil
}

// chunks deletes the chunks of days past retention. A chunk is of one day: it goes
// as a whole.
func (j *job) chunks(ctx context.Context) (done bool, err error) {
	cutoff := retention.Cutoff(j.doc.Days, j.day)
	for {
		if err := j.forget(ctx); err != nil {
			return false, err
		}
		if cutoff == "" || j.doc.Hold != nil {
			return true, nil
		}
		snaps, err := chunksOf(j.db, j.project, "", cutoff, j.run.Cursor).Select("day", "count").Limit(chunkPage).Documents(ctx).GetAll()
		if err != nil {
			return false, fmt.Errorf("find chunks: %w", err)
		}
		if len(snaps) == 0 {
			return true, nil
		}
		// Who has been overtaken reads the page again.
		if err := j.deletePage(ctx, snaps); err != nil && !gcp.Overtaken(err) {
			return false, err
		}
		if !j.time() {
			return false, nil
		}
	}
}

func (j *job) deletePage(ctx context.Context, snaps []*firestore.DocumentSnapshot) error {
	at, err := cursorAt(snaps[len(snaps)-1])
	if err != nil {
		return err
	}
	events, seen := 0, map[person.Key]bool{}
	var gone []*firestore.DocumentSnapshot
	var keys []person.Key
	for _, snap := range snaps {
		key := owner(snap)
		if j.held[key] {
			continue
		}
		var doc chunk.Doc
		if err := snap.DataTo(&doc); err != nil {
			return fmt.Errorf("decode chunk: %w", err)
		}
		events += doc.Count
		gone = append(gone, snap)
		if !seen[key] {
			seen[key] = true
			keys = append(keys, key)
		}
	}
	return j.commit(ctx, func(r *Run) {
		r.Cursor, r.Check = at, keys
		r.Counts.Scanned += len(snaps)
		r.Counts.Chunks += len(gone)
		r.Counts.Events += events
	}, func(tx *firestore.Transaction) error {
		for _, snap := range gone {
			if err := tx.Delete(snap.Ref, firestore.LastUpdateTime(snap.UpdateTime)); err != nil {
				return err
			}
		}
		return nil
	})
}

// forget deletes the documents of the persons to be checked of whom nothing is left:
// neither events nor operations, nor anything that must be known of them.
func (j *job) forget(ctx context.Context) error {
	if len(j.run.Check) == 0 {
		return nil
	}
	empty := make([]bool, len(j.run.Check))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for i, key := range j.run.Check {
		g.Go(func() error { // most have something left; that needs no lock
			left, err := chunkLeft(func(q firestore.Query) *firestore.DocumentIterator { return q.Documents(gctx) }, person.Ref(j.db, j.project, key))
			empty[i] = !left
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i, key := range j.run.Check {
		if empty[i] && !j.held[key] {
			if err := j.forgetOne(ctx, person.Ref(j.db, j.project, key)); err != nil {
				return err
			}
		}
	}
	return j.commit(ctx, func(r *Run) { r.Check = nil }, nil)
}

// chunkLeft reports whether a person has any chunk or operation.
func chunkLeft(documents func(firestore.Query) *firestore.DocumentIterator, ref *firestore.DocumentRef) (bool, error) {
	for _, name := range []string{chunk.Collection, profile.Collection} {
		found, err := documents(ref.Collection(name).Select().Limit(1)).GetAll()
		if err != nil {
			return false, fmt.Errorf("look what is left of a person: %w", err)
		}
		if len(found) > 0 {
			return true, nil
		}
	}
	return false, nil
}

// forgetOne looks again, in a transaction: what is stored meanwhile keeps the person.
func (j *job) forgetOne(ctx context.Context, ref *firestore.DocumentRef) error {
	err := j.db.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		run, err := j.check(tx)
		if err != nil {
			return err
		}
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
		if needed(&doc, j.config) {
			return nil
		}
		left, err := chunkLeft(func(q firestore.Query) *firestore.DocumentIterator { return tx.Documents(q) }, ref)
		if err != nil || left {
			return err
		}
		run.Counts.Persons++
		if err := tx.Delete(ref); err != nil {
			return err
		}
		return j.put(tx, run)
	})
	if err != nil {
		return fmt.Errorf("delete a person of whom nothing is left: %w", err)
	}
	return nil
}

// needed reports whether a person's document says something that is to outlive all
// data: a fence, consent, a restriction, a hold, links, or amendments of what may
// still be on its way.
func needed(d *person.Doc, c Config) bool {
	return !d.ErasedAt.IsZero() || d.Consent.State != "" || len(d.Consent.Purposes) > 0 ||
		d.Restriction != nil || d.Hold != nil || d.Head != "" || len(d.Linked) > 0 ||
		len(amend.Trim(d.Amendments, c.now())) > 0
}
