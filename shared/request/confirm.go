package request

import (
	"context"
	"fmt"
	"slices"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/project"
)

// refusal is why a request ends whose hints were refused.
const refusal = "refused: who is meant was found only by what the public token has said, and was not confirmed"

// Confirm says which of the persons whom a request hints at are meant. It goes on with
// exactly these, beside those whom it names or has found for certain; none may be named
// if there are such. The caller publishes it (Publishers.Publish), also if the same was
// confirmed before.
func Confirm(ctx context.Context, db *firestore.Client, p project.Project, id string, kind Kind, actor string, ids []string) (*Request, error) {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	chosen := &Part{Project: p.ID}
	for _, id := range slices.Compact(ids) {
		chosen.IDs, chosen.Keys = append(chosen.IDs, id), append(chosen.Keys, person.MakeKey(p.Secret, id))
	}
	known, err := person.Names(ctx, db, p.ID, chosen.Keys)
	if err != nil {
		return nil, err
	}
	return decide(ctx, db, p.ID, id, kind, func(tx *firestore.Transaction, r *Request) error {
		if r.Status != NeedsConfirmation {
			return confirmedBefore(tx, db, r, chosen.Keys)
		}
		if len(known) < len(chosen.Keys) {
			return notHinted()
		}
		hints, err := chosenHints(tx, db, r, chosen.Keys)
		if err != nil {
			return err
		}
		switch n := r.Persons + len(chosen.Keys); {
		case n == 0:
			return fault.InField("distinct_ids", "must name at least one person, since the request has no others; refuse it if nobody is meant")
		case n > MaxPersons:
			return tooManyFault()
		}
		if err := addPersons(tx, db, r, chosen); err != nil {
			return err
		}
		for _, ref := range hints {
			if err := tx.Update(ref, []firestore.Update{{Path: "confirmed", Value: true}}); err != nil {
				return err
			}
		}
		r.Status, r.Decided, r.DecidedBy = Running, now(), actor
		return nil
	})
}

func notHinted() error {
	return fault.InField("distinct_ids", "names somebody whom the request does not hint at")
}

// chosenHints are the hints of some persons, each of whom must have one.
func chosenHints(tx *firestore.Transaction, db *firestore.Client, r *Request, keys []person.Key) ([]*firestore.DocumentRef, error) {
	refs := make([]*firestore.DocumentRef, len(keys))
	for i, k := range keys {
		refs[i] = hintRef(db, r, k)
	}
	snaps, err := tx.GetAll(refs)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(snaps, func(s *firestore.DocumentSnapshot) bool { return !s.Exists() }) {
		return nil, notHinted()
	}
	return refs, nil
}

// confirmedBefore lets the same confirmation be made again.
func confirmedBefore(tx *firestore.Transaction, db *firestore.Client, r *Request, keys []person.Key) error {
	if r.Decided.IsZero() || r.Status == Cancelled {
		return fault.New(fault.Conflict, "the request is %s; only one that needs confirmation can be confirmed", r.Status)
	}
	snaps, err := tx.Documents(Ref(db, r.Project, r.ID).Collection(hintsCollection).Where("confirmed", "==", true)).GetAll()
	if err != nil {
		return err
	}
	other := func(s *firestore.DocumentSnapshot) bool { return !slices.Contains(keys, person.Key(s.Ref.ID)) }
	if len(snaps) != len(keys) || slices.ContainsFunc(snaps, other) {
		return fault.New(fault.Conflict, "others were confirmed before")
	}
	return nil
}

// Refuse says that nobody whom a request hints at is meant, which ends it. The caller
// tells it (Publishers.Tell). It can be made again.
func Refuse(ctx context.Context, db *firestore.Client, projectID, id string, kind Kind, actor string) (*Request, error) {
	return decide(ctx, db, projectID, id, kind, func(_ *firestore.Transaction, r *Request) error {
		switch {
		case r.Status == Cancelled && !r.Decided.IsZero():
			return nil
		case r.Status != NeedsConfirmation:
			return fault.New(fault.Conflict, "the request is %s; only one that needs confirmation can be refused", r.Status)
		}
		r.Status, r.Decided, r.DecidedBy = Cancelled, now(), actor
		r.Finished, r.Failure = r.Decided, refusal
		return nil
	})
}

// decide changes a request in a transaction.
func decide(ctx context.Context, db *firestore.Client, projectID, id string, kind Kind, change func(*firestore.Transaction, *Request) error) (*Request, error) {
	if _, err := Get(ctx, db, projectID, id, kind); err != nil {
		return nil, err
	}
	var r *Request
	err := db.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		snap, err := tx.Get(Ref(db, projectID, id))
		if err != nil {
			return err
		}
		if r, err = decode(snap); err != nil {
			return err
		}
		before := *r
		if err := change(tx, r); err != nil || *r == before {
			return err
		}
		return tx.Set(snap.Ref, r)
	})
	if err != nil {
		return nil, fmt.Errorf("decide on a request: %w", err)
	}
	return r, nil
}
