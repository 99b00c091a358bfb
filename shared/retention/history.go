package retention

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"cloud.google.com/go/firestore"
)

// historyCollection holds a project's Changes, below its document, by Doc.Version.
const historyCollection = "retention_history"

// Change is what a project's retention was made, by whom and when: a part of the
// controller's instructions, as the versions of project.Settings are.
type Change struct {
	Number  int       `firestore:"number"` // Doc.Version
	Days    int       `firestore:"days"`   // in force from At on
	Rules   []Rule    `firestore:"rules"`
	Pending *Pending  `firestore:"pending,omitempty"` // in force from its own time on, unless a later change takes it back
	By      string    `firestore:"by"`                // hash of the API key
	At      time.Time `firestore:"at"`
}

// Store writes the document as it was changed, and the record of the change, if there is
// one to what was read.
func (d Doc) Store(tx *firestore.Transaction, ref *firestore.DocumentRef, read Doc, now time.Time, by string) error {
	if d.Version != read.Settled(now).Version {
		c := Change{Number: d.Version, Days: d.Days, Rules: d.Rules, Pending: d.Pending, By: by, At: now}
		if err := tx.Create(ref.Collection(historyCollection).Doc(strconv.Itoa(c.Number)), c); err != nil {
			return err
		}
	}
	return tx.Update(ref, d.Updates())
}

// History lists the last changes of a project's retention, the newest first.
func History(ctx context.Context, db *firestore.Client, projectID string, most int) ([]Change, error) {
	snaps, err := Ref(db, projectID).Collection(historyCollection).OrderBy("number", firestore.Desc).Limit(most).Documents(ctx).GetAll()
	if err != nil {
		return nil, fmt.Errorf("list changes of retention: %w", err)
	}
	all := make([]Change, len(snaps))
	for i, snap := range snaps {
		if err := snap.DataTo(&all[i]); err != nil {
			return nil, fmt.Errorf("decode a change of retention: %w", err)
		}
	}
	return all, nil
}
