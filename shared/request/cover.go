package request

import (
	"context"
	"fmt"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/person"
)

// Cover notes that the archive of a request also holds others than those whom it names.
// Of finds the request by them from then on. The notes have numbers and at most PartSize
// persons each, so that whoever makes the archive can also go through them.
func Cover(ctx context.Context, db *firestore.Client, r *Request, n int, others ...person.Key) error {
	note := Part{Project: r.Project, IDs: make([]string, len(others)), Keys: others}
	if _, err := coverRef(db, r, n).Set(ctx, note); err != nil {
		return fmt.Errorf("note who is in an archive: %w", err)
	}
	return nil
}

// ReadCover reads whom a note names.
func ReadCover(ctx context.Context, db *firestore.Client, r *Request, n int) ([]person.Key, error) {
	snap, err := coverRef(db, r, n).Get(ctx)
	if err != nil {
		return nil, fmt.Errorf("read who is in an archive: %w", err)
	}
	var note Part
	if err := snap.DataTo(&note); err != nil {
		return nil, fmt.Errorf("decode who is in an archive: %w", err)
	}
	return note.Keys, nil
}

func coverRef(db *firestore.Client, r *Request, n int) *firestore.DocumentRef {
	return Ref(db, r.Project, r.ID).Collection(PartsCollection).Doc(fmt.Sprintf("linked-%06d", n))
}
