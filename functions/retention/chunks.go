package retention

import (
	"context"
	"fmt"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/person"
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

// owner is the identity that a chunk belongs to.
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
