package person

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/fault"
)

func historyID(c Consent) (string, error) {
	c.ID = ""
	text, err := json.Marshal(c) // maps are written in the order of their names
	if err != nil {
		return "", fmt.Errorf("write a consent: %w", err)
	}
	sum := sha256.Sum256(text)
	return c.At.Format(historyTime) + "-" + hex.EncodeToString(sum[:4]), nil
}

const historyTime = "20060102T150405.000000Z"

var validHistoryID = regexp.MustCompile(`^\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{8}$`)

// Consents reads what was said under one identity, the newest first, from a cursor on;
// next is the cursor of what follows, empty at the end.
func Consents(ctx context.Context, db *firestore.Client, project string, key Key, cursor string, limit int) (page []Consent, next string, err error) {
	found, err := History(ctx, db, project, key, cursor, limit+1)
	if err != nil {
		return nil, "", err
	}
	if len(found) > limit {
		found = found[:limit]
		next = found[limit-1].HistoryID
	}
	page = make([]Consent, len(found))
	for i, f := range found {
		page[i] = f.Consent
	}
	return page, next, nil
}

// Entry is a statement in the history of an identity. Entries of several are in order by
// At and HistoryID; the latter is the cursor of what follows, in the history of any.
type Entry struct {
	Consent
	HistoryID string
}

// History reads the entries of one identity, the newest first, from a cursor on.
func History(ctx context.Context, db *firestore.Client, project string, key Key, cursor string, limit int) ([]Entry, error) {
	// The order has the index that every field has; that of ids alone, backwards,
	// would need one of its own.
	q := Ref(db, project, key).Collection(ConsentsCollection).
		OrderBy("at", firestore.Desc).OrderBy(firestore.DocumentID, firestore.Desc).Limit(limit)
	if cursor != "" {
		at, err := time.Parse(historyTime, cursor[:min(len(cursor), len(historyTime))])
		if err != nil || !validHistoryID.MatchString(cursor) {
			return nil, fault.InField("cursor", "is not one that a consent history gave out")
		}
		q = q.StartAfter(at, cursor)
	}
	docs, err := q.Documents(ctx).GetAll()
	if err != nil {
		return nil, fmt.Errorf("read consents: %w", err)
	}
	all := make([]Entry, len(docs))
	for i, d := range docs {
		if err := d.DataTo(&all[i].Consent); err != nil {
			return nil, fmt.Errorf("decode consent: %w", err)
		}
		all[i].HistoryID = d.Ref.ID
	}
	return all, nil
}
