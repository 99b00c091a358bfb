package person

import (
	"context"
	"fmt"
	"slices"

	"cloud.google.com/go/firestore"
	"golang.org/x/sync/errgroup"
)

// Limits of Names: how many keys Firestore compares in one query, and how many queries
// run at a time.
const (
	namesQuery    = 30
	namesParallel = 8
)

// Names reads the distinct_ids of identities. One that is not known, or not any more, is
// left out. Nothing but the distinct_id is read of the documents, which may be large.
func Names(ctx context.Context, db *firestore.Client, project string, keys []Key) (map[Key]string, error) {
	chunks := slices.Collect(slices.Chunk(keys, namesQuery))
	found := make([][]*firestore.DocumentSnapshot, len(chunks))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(namesParallel)
	for i, some := range chunks {
		g.Go(func() (err error) {
			refs := make([]*firestore.DocumentRef, len(some))
			for n, k := range some {
				refs[n] = Ref(db, project, k)
			}
			found[i], err = people(db, project).Where(firestore.DocumentID, "in", refs).Select("distinct_id").Documents(gctx).GetAll()
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("read distinct_ids: %w", err)
	}
	names := map[Key]string{}
	for _, snap := range slices.Concat(found...) {
		var d Doc
		if err := snap.DataTo(&d); err != nil {
			return nil, fmt.Errorf("decode person: %w", err)
		}
		if d.DistinctID != "" {
			names[Key(snap.Ref.ID)] = d.DistinctID
		}
	}
	return names, nil
}
