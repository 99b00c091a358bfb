package request

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/person"
)

// MaxHints bounds the hints of a request that are kept. With the public token anybody
// can make as many as they like.
const MaxHints = 100

// hintsCollection is below a request; its documents are Hints, by the person's key.
const hintsCollection = "hints"

// Hint is a person who may be meant by a request, since the public token has said so. It
// holds nothing that is personal: the distinct_id stands with the person alone.
type Hint struct {
	Key       person.Key `firestore:"-"`
	Matched   []string   `firestore:"matched"` // types of the identities that the person has
	Confirmed bool       `firestore:"confirmed,omitempty"`
}

// Hinted is a Hint as an answer shows it.
type Hinted struct {
	DistinctID string   `json:"distinct_id"`
	Matched    []string `json:"matched"` // types of identities, as OpenDSR names them
}

func hintRef(db *firestore.Client, r *Request, key person.Key) *firestore.DocumentRef {
	return Ref(db, r.Project, r.ID).Collection(hintsCollection).Doc(string(key))
}

// addHints keeps hints, as far as there is room, and counts them all.
func addHints(tx *firestore.Transaction, db *firestore.Client, r *Request, more []Hint) error {
	for _, h := range more {
		if r.Hints < MaxHints {
			if err := tx.Set(hintRef(db, r, h.Key), h); err != nil {
				return err
			}
		}
		r.Hints++
	}
	return nil
}

func decodeHint(snap *firestore.DocumentSnapshot) (Hint, error) {
	h := Hint{Key: person.Key(snap.Ref.ID)}
	if err := snap.DataTo(&h); err != nil {
		return h, fmt.Errorf("decode a hint: %w", err)
	}
	return h, nil
}

// readHints reads whom a request that needs confirmation hints at, less those who have
// been erased since, and how many others are not kept.
func readHints(ctx context.Context, db *firestore.Client, r *Request) (all []Hinted, keys []person.Key, more int, err error) {
	snaps, err := Ref(db, r.Project, r.ID).Collection(hintsCollection).Documents(ctx).GetAll()
	if err != nil {
		return nil, nil, 0, fmt.Errorf("read the hints of a request: %w", err)
	}
	for _, snap := range snaps {
		keys = append(keys, person.Key(snap.Ref.ID))
	}
	names, err := person.Names(ctx, db, r.Project, keys)
	if err != nil {
		return nil, nil, 0, err
	}
	keys = nil
	for _, snap := range snaps {
		h, err := decodeHint(snap)
		if err != nil {
			return nil, nil, 0, err
		}
		if id := names[h.Key]; id != "" {
			all, keys = append(all, Hinted{id, h.Matched}), append(keys, h.Key)
		}
	}
	slices.SortFunc(all, func(a, b Hinted) int { return strings.Compare(a.DistinctID, b.DistinctID) })
	return all, keys, r.Hints - len(snaps), nil
}
