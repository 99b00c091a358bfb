package person

import (
	"context"
	"fmt"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/consent"
)

// FilledFor is how long ingest goes by what it is told of a full profile. Room that is made
// under another identity of the person is not told to this one.
const FilledFor = 10 * time.Minute

// Filled says how large a person's profile was when an operation had no room in it.
type Filled struct {
	Bytes int       `firestore:"bytes"`
	At    time.Time `firestore:"at"`
}

// TellFilled tells the edge database of some identities how large their person's profile
// is, in which an operation had no room; 0: there is room again.
func TellFilled(ctx context.Context, edge *firestore.Client, project string, keys []Key, bytes int) error {
	refs := make([]*firestore.DocumentRef, len(keys))
	for i, k := range keys {
		refs[i] = OptOutRef(edge, project, k)
	}
	err := edge.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		snaps, err := tx.GetAll(refs)
		if err != nil {
			return err
		}
		now := time.Now().UTC()
		for i, snap := range snaps {
			o, err := ReadOptOut(snap)
			if err != nil {
				return err
			}
			switch old := o.Filled; {
			case bytes == 0 && old == nil, bytes > 0 && old != nil && old.Bytes == bytes && now.Sub(old.At) < FilledFor/2:
				continue
			case bytes > 0:
				o.Filled = &Filled{bytes, now}
				err = tx.Set(refs[i], o)
			case o.State == consent.Unset && o.At.IsZero(): // nothing else was to be told
				err = tx.Delete(refs[i])
			default:
				o.Filled = nil
				err = tx.Set(refs[i], o)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("tell edge of a full profile: %w", err)
	}
	return nil
}
