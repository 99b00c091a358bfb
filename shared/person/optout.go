package person

import (
	"context"
	"fmt"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/gcp"
)

// OptOut is a person's document in the edge database. It stays once there was
// one, whatever its state, so that something older that comes late cannot undo it.
type OptOut struct {
	State consent.State `firestore:"state"`
	At    time.Time     `firestore:"at"` // of the Consent that it tells of
}

// ReadOptOut decodes a snapshot of OptOutRef. Nobody has said anything of a person
// without a document; a document without a state denies.
func ReadOptOut(snap *firestore.DocumentSnapshot) (OptOut, error) {
	if !snap.Exists() {
		return OptOut{State: consent.Unset}, nil
	}
	o := OptOut{}
	if err := snap.DataTo(&o); err != nil {
		return OptOut{}, fmt.Errorf("decode opt-out: %w", err)
	}
	if o.State == "" {
		o.State = consent.Denied
	}
	return o, nil
}

// setOptOuts tells the edge database the consent of persons, where it does not
// know of something newer. An erasure may have gone through both databases since the
// consents were read: its fence is looked for last, and then what it did is done again.
func setOptOuts(ctx context.Context, dbs gcp.Databases, project string, all []Member) error {
	edge := dbs.Edge
	var keys []Key
	var refs []*firestore.DocumentRef
	var consents []Consent
	for _, m := range all {
		if m.Doc.Consent.State != "" {
			refs = append(refs, OptOutRef(edge, project, m.Key))
			consents = append(consents, m.Doc.Consent)
			keys = append(keys, m.Key)
		}
	}
	if len(refs) == 0 {
		return nil
	}
	err := edge.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		snaps, err := tx.GetAll(refs)
		if err != nil {
			return err
		}
		for i, c := range consents {
			o, err := ReadOptOut(snaps[i])
			if err != nil {
				return err
			}
			if snaps[i].Exists() && !c.supersedes(o.State, o.At) {
				continue
			}
			if err := tx.Set(refs[i], OptOut{State: c.State, At: c.At}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("set opt-outs: %w", err)
	}
	get := func(refs []*firestore.DocumentRef) ([]*firestore.DocumentSnapshot, error) {
		return dbs.Default.GetAll(ctx, refs)
	}
	now, err := members(get, dbs.Default, project, keys)
	if err != nil {
		return err
	}
	for i, m := range now {
		if m.Doc.ErasedAt.IsZero() || m.Doc.AfterFence(consents[i].At) {
			continue
		}
		if _, err := SettleOptOuts(ctx, dbs, project, []Key{m.Key}, m.Doc.ErasedAt); err != nil {
			return err
		}
	}
	return nil
}
