package request

import (
	"context"
	"encoding/json"
	"fmt"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/fault"
)

// Advance stores a position as Save does, in one transaction with what leads up to it.
// It writes nothing if another worker has the request by now. The request that it gives
// to write is as it is stored; if write reads, it does so first.
func (s *Slice) Advance(ctx context.Context, position any, write func(tx *firestore.Transaction, r *Request) error) error {
	b, err := json.Marshal(position)
	if err != nil {
		return fmt.Errorf("write the position of a request: %w", err)
	}
	ref := Ref(s.db, s.Project, s.ID)
	var now *Request
	err = s.db.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		snap, err := tx.Get(ref)
		if err != nil {
			return err
		}
		if now, err = decode(snap); err != nil {
			return err
		}
		if now.Step != s.Step || now.Status != s.Status || now.Position != s.Position {
			return fault.New(fault.Unavailable, "another worker has the request")
		}
		if err := write(tx, now); err != nil {
			return err
		}
		return tx.Update(ref, []firestore.Update{{Path: "position", Value: string(b)}, {Path: "parts", Value: now.Parts}})
	})
	if err != nil {
		return err
	}
	s.Position, s.Parts = string(b), now.Parts
	return nil
}

// Append puts entries into parts of a request, behind the first ones: into the last part
// while it has room, then into new ones. In its transaction (Advance) nothing may have
// been written yet.
func Append(tx *firestore.Transaction, db *firestore.Client, r *Request, first int, more *Part) error {
	parts, err := fill(tx, db, r, first, more)
	if err != nil {
		return err
	}
	return putParts(tx, db, r, parts)
}

func putParts(tx *firestore.Transaction, db *firestore.Client, r *Request, parts map[int]*Part) error {
	for n, part := range parts {
		if err := tx.Set(PartRef(db, r.Project, r.ID, n), part); err != nil {
			return err
		}
		r.Parts = max(r.Parts, n+1)
	}
	return nil
}

// fill says which parts hold more entries: the last, unless it is one of the first, while
// it has room, then new ones.
func fill(tx *firestore.Transaction, db *firestore.Client, r *Request, first int, more *Part) (map[int]*Part, error) {
	parts := map[int]*Part{}
	if len(more.Keys) == 0 {
		return parts, nil
	}
	n, part := r.Parts, &Part{Project: r.Project}
	if n > first {
		snap, err := tx.Get(PartRef(db, r.Project, r.ID, n-1))
		if err != nil {
			return nil, err
		}
		var before Part
		if err := snap.DataTo(&before); err != nil {
			return nil, fmt.Errorf("decode part of a request: %w", err)
		}
		if len(before.Keys) < PartSize {
			n, part = n-1, &before
		}
	}
	for i := range more.Keys {
		if len(part.Keys) == PartSize {
			n, part = n+1, &Part{Project: r.Project}
		}
		part.IDs, part.Keys = append(part.IDs, more.IDs[i]), append(part.Keys, more.Keys[i])
		if len(more.Subjects) > 0 {
			part.Subjects = append(part.Subjects, more.Subjects[i])
		}
		parts[n] = part
	}
	return parts, nil
}
