package request

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"cloud.google.com/go/firestore"
	"google.golang.org/api/iterator"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/person"
)

// PageSize is the number of requests on a page of List.
const PageSize = 100

// List reads a page of a project's requests of a kind, the newest first; an empty
// status takes all. The cursor is that of the page before, or empty.
func List(ctx context.Context, db *firestore.Client, project string, kind Kind, st Status, cursor string) (page []*Request, next string, err error) {
	q := db.Collection("projects/"+project+"/"+Collection).Where("kind", "==", string(kind))
	if st != "" {
		q = q.Where("status", "==", string(st))
	}
	q = q.OrderBy("created", firestore.Desc).OrderBy(firestore.DocumentID, firestore.Desc)
	if cursor != "" {
		last, err := Get(ctx, db, project, cursor, kind)
		if fault.Of(err) == fault.NotFound {
			return nil, "", fault.InField("cursor", "is not one that this list gave out")
		}
		if err != nil {
			return nil, "", err
		}
		q = q.StartAfter(last.Created, last.ID)
	}
	docs := q.Limit(PageSize + 1).Documents(ctx)
	defer docs.Stop()
	for {
		snap, err := docs.Next()
		if errors.Is(err, iterator.Done) {
			return page, next, nil
		}
		if err != nil {
			return nil, "", fmt.Errorf("list requests: %w", err)
		}
		if len(page) == PageSize {
			next = page[PageSize-1].ID
			continue
		}
		r, err := decode(snap)
		if err != nil {
			return nil, "", err
		}
		page = append(page, r)
	}
}

// Cancel cancels a request that is still queued, or needs confirmation; of another it is
// a Conflict.
func Cancel(ctx context.Context, db *firestore.Client, project, id string, kind Kind) (*Request, error) {
	if _, err := Get(ctx, db, project, id, kind); err != nil {
		return nil, err
	}
	var r *Request
	err := db.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		snap, err := tx.Get(Ref(db, project, id))
		if err != nil {
			return err
		}
		if r, err = decode(snap); err != nil {
			return err
		}
		switch r.Status {
		case Cancelled:
			return nil
		case Queued, NeedsConfirmation:
		default:
			return fault.New(fault.Conflict, "the request is %s; only one that is queued or needs confirmation can be cancelled", r.Status)
		}
		r.Status, r.Finished, r.Find = Cancelled, now(), "" // by what the persons are known is of no more use
		return tx.Update(snap.Ref, []firestore.Update{
			{Path: "status", Value: r.Status}, {Path: "finished", Value: r.Finished}, {Path: "find", Value: r.Find},
		})
	})
	if err != nil {
		return nil, fmt.Errorf("cancel request: %w", err)
	}
	return r, nil
}

// Found is a part of a request that names a person.
type Found struct {
	Request string
	Part    *firestore.DocumentRef
	Created time.Time // of the part's document
}

// mostAny is how many keys Firestore compares in one query.
const mostAny = 30

// Of finds the parts of all the project's requests, of any kind, that name any of some
// persons.
func Of(ctx context.Context, db *firestore.Client, project string, keys ...person.Key) ([]Found, error) {
	var found []Found
	seen := map[string]bool{}
	for some := range slices.Chunk(keys, mostAny) {
		docs, err := db.CollectionGroup(PartsCollection).Where("project", "==", project).
			Where("keys", "array-contains-any", some).Select().Documents(ctx).GetAll()
		if err != nil {
			return nil, fmt.Errorf("find a person's requests: %w", err)
		}
		for _, d := range docs {
			if !seen[d.Ref.Path] {
				seen[d.Ref.Path] = true
				found = append(found, Found{Request: d.Ref.Parent.Parent.ID, Part: d.Ref, Created: d.CreateTime})
			}
		}
	}
	return found, nil
}

// GetAll reads requests, in the order of the ids; those that are not there are left out.
func GetAll(ctx context.Context, db *firestore.Client, project string, ids []string) ([]*Request, error) {
	refs := make([]*firestore.DocumentRef, len(ids))
	for i, id := range ids {
		refs[i] = Ref(db, project, id)
	}
	snaps, err := db.GetAll(ctx, refs)
	if err != nil {
		return nil, fmt.Errorf("read requests: %w", err)
	}
	var all []*Request
	for _, snap := range snaps {
		if !snap.Exists() {
			continue
		}
		r, err := decode(snap)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}
