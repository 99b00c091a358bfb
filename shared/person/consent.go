package person

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/gcp"
)

// SetConsent notes what was said of a person's consent, makes it the consent of
// all who are one with the person unless something newer was said, and returns
// the consent that now stands. What was said at or before the person's fence is
// dropped. The same again changes nothing.
//
// It may be called in any order: the newest stands in both databases. (default)
// is written first; if edge then fails, the call is to be repeated.
func SetConsent(ctx context.Context, dbs gcp.Databases, project string, key Key, c Consent) (Consent, error) {
	c.At = c.At.UTC().Truncate(time.Microsecond) // the precision that is stored
	id, err := historyID(c)
	if err != nil {
		return Consent{}, err
	}
	var own Member
	var now []Member // whose consent is to stand at the edge
	err = dbs.Default.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		all, err := Cluster(tx.GetAll, dbs.Default, project, key)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(all, func(m Member) bool { return m.Key == key })
		now = nil
		if own = all[i]; !own.Doc.AfterFence(c.At) {
			return nil
		}
		if err := tx.Set(Ref(dbs.Default, project, key).Collection(ConsentsCollection).Doc(id), c); err != nil {
			return err
		}
		for j := range all {
			doc := &all[j].Doc
			if doc.AfterFence(c.At) && c.supersedes(doc.Consent.State, doc.Consent.At) {
				// MergeAll would leave the old purposes beside the new.
				if err := tx.Set(Ref(dbs.Default, project, all[j].Key), map[string]any{"consent": c}, firestore.Merge(firestore.FieldPath{"consent"})); err != nil {
					return err
				}
				doc.Consent = c
			}
		}
		own, now = all[i], all
		return nil
	})
	if err != nil {
		return Consent{}, fmt.Errorf("set consent: %w", err)
	}
	if !own.Doc.AfterFence(c.At) { // a call before, of the same, may have ended before it had looked for the fence
		_, err := SettleOptOuts(ctx, dbs, project, []Key{key}, own.Doc.ErasedAt)
		return own.Doc.Consent, err
	}
	return own.Doc.Consent, setOptOuts(ctx, dbs, project, now)
}

// supersedes reports whether a consent takes the place of one with that state
// and time, by the one rule (newer) that holds in both databases and for links.
func (c Consent) supersedes(state consent.State, at time.Time) bool {
	return newer(&c, &Consent{State: state, At: at})
}

func historyID(c Consent) (string, error) {
	text, err := json.Marshal(c) // maps are written in the order of their names
	if err != nil {
		return "", fmt.Errorf("write a consent: %w", err)
	}
	sum := sha256.Sum256(text)
	return c.At.Format(historyTime) + "-" + hex.EncodeToString(sum[:4]), nil
}

const historyTime = "20060102T150405.000000Z"

var validHistoryID = regexp.MustCompile(`^\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{8}$`)

// Consents reads what was said of one person's consent, the newest first, from a
// cursor on; next is the cursor of what follows, empty at the end.
func Consents(ctx context.Context, db *firestore.Client, project string, key Key, cursor string, limit int) (page []Consent, next string, err error) {
	// The order has the index that every field has; that of ids alone, backwards,
	// would need one of its own.
	q := Ref(db, project, key).Collection(ConsentsCollection).
		OrderBy("at", firestore.Desc).OrderBy(firestore.DocumentID, firestore.Desc).Limit(limit + 1)
	if cursor != "" {
		at, err := time.Parse(historyTime, cursor[:min(len(cursor), len(historyTime))])
		if err != nil || !validHistoryID.MatchString(cursor) {
			return nil, "", fault.InField("cursor", "is not one that a consent history gave out")
		}
		q = q.StartAfter(at, cursor)
	}
	docs, err := q.Documents(ctx).GetAll()
	if err != nil {
		return nil, "", fmt.Errorf("read consents: %w", err)
	}
	if len(docs) > limit {
		docs = docs[:limit]
		next = docs[limit-1].Ref.ID
	}
	page = make([]Consent, len(docs))
	for i, d := range docs {
		if err := d.DataTo(&page[i]); err != nil {
			return nil, "", fmt.Errorf("decode consent: %w", err)
		}
	}
	return page, next, nil
}
