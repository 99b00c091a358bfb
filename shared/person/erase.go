package person

import (
	"context"
	"fmt"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/gcp"
)

// Erase are the changes of a person's document that set the fence and take away all
// that is personal. What remains is the fence and, so that nobody who has said no is
// recorded again for having been forgotten, a denial; with suppress there is one in
// any case.
func (d *Doc) Erase(fence time.Time, suppress bool) map[string]any {
	changes := map[string]any{"erased_at": fence}
	for _, field := range []string{"distinct_id", "first_seen", "profile", "profile_at", "restriction", "amendments", "head", "linked"} {
		changes[field] = firestore.Delete
	}
	switch {
	case suppress:
		changes["consent"] = Consent{State: consent.Denied, Source: "erasure", At: fence}
	case d.Consent.At.After(fence): // by another clock it was said since
	case d.Consent.State == consent.Denied:
		changes["consent"] = Consent{State: consent.Denied, At: d.Consent.At}
	default:
		changes["consent"] = firestore.Delete
	}
	return changes
}

// SettleOptOuts brings the opt-outs of erased persons in line with what their
// documents say, of one who has said nothing since the fence none is left, and
// counts those that were not.
func SettleOptOuts(ctx context.Context, dbs gcp.Databases, project string, keys []Key, fence time.Time) (settled int, err error) {
	get := func(refs []*firestore.DocumentRef) ([]*firestore.DocumentSnapshot, error) {
		return dbs.Default.GetAll(ctx, refs)
	}
	all, err := members(get, dbs.Default, project, keys)
	if err != nil {
		return 0, err
	}
	refs := make([]*firestore.DocumentRef, len(all))
	for i, m := range all {
		refs[i] = OptOutRef(dbs.Edge, project, m.Key)
	}
	err = dbs.Edge.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		settled = 0
		snaps, err := tx.GetAll(refs)
		if err != nil {
			return err
		}
		for i, m := range all {
			o, err := ReadOptOut(snaps[i])
			switch {
			case err != nil:
				return err
			case o.At.After(fence): // said since
			case m.Doc.Consent.State == "" && snaps[i].Exists():
				settled++
				err = tx.Delete(refs[i])
			case m.Doc.Consent.State != "" && (!snaps[i].Exists() || o.State != m.Doc.Consent.State):
				settled++
				err = tx.Set(refs[i], OptOut{State: m.Doc.Consent.State, At: m.Doc.Consent.At})
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("settle opt-outs: %w", err)
	}
	return settled, nil
}
