package incident

import (
	"time"

	"cloud.google.com/go/firestore"
)

// When a customer that does not acknowledge is told again, and the processor's own are.
const (
	RepeatAfter    = 12 * time.Hour
	EscalateAfter  = 24 * time.Hour
	LookAgainAfter = time.Hour // for a way to tell it, where there was none
)

// finish notes what was done, gives the notice back, and says when it is due again.
func finish(tx *firestore.Transaction, incident, notice *firestore.DocumentRef, note func(*Notice)) error {
	snap, err := tx.Get(incident)
	if err != nil {
		return err
	}
	i, err := decode(snap)
	if err != nil {
		return err
	}
	if snap, err = tx.Get(notice); err != nil {
		return err
	}
	n, err := decodeNotice(snap)
	if err != nil {
		return err
	}
	n.Lease = time.Time{}
	note(n)
	n.Due = n.tellAt(i)
	if at := n.escalateAt(); at.Before(n.Due) {
		n.Due = at
	}
	if n.Due.Equal(never) {
		n.Due = time.Time{}
	}
	return tx.Set(notice, n)
}

// never is later than anything.
var never = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// tellAt is when the customer is to be told: at once of what is new, again until it
// acknowledges. One that there was no way to tell may have given one since.
func (n *Notice) tellAt(i *Incident) time.Time {
	switch {
	case n.Version < i.Version && n.Unreached.IsZero():
		return n.Created
	case n.Version < i.Version:
		return n.Unreached.Add(LookAgainAfter)
	case !n.Acknowledged.IsZero():
		return never
	}
	return n.Last.Add(RepeatAfter)
}

// changed is when there was something new last.
func (i *Incident) changed() time.Time {
	switch {
	case !i.Closed.IsZero():
		return i.Closed
	case len(i.Updates) > 0:
		return i.Updates[len(i.Updates)-1].At
	}
	return i.Opened
}

// escalateAt is when the processor's own are to be told of the customer.
func (n *Notice) escalateAt() time.Time {
	if !n.Acknowledged.IsZero() || !n.Escalated.IsZero() {
		return never
	}
	return n.Created.Add(EscalateAfter)
}
