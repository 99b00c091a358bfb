package store

import (
	"maps"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/identity"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/profile"
	"github.com/lethe-analytics/lethe/shared/queue"
)

// part is what a batch holds of one identity.
type part struct {
	key        person.Key
	distinctID string // empty: the events are nobody's
	events     []event.Event
	ops        []event.Op
	claims     [][]claim // what the events say of who is who, beside events; nil: nothing
	user       string    // why the identity is known to be a user's; empty: nothing says so
}

// sortOut gives a batch's events and operations to their identities. Ids of other
// identities in events become keys.
func sortOut(m *queue.Message, of tenant) ([]*part, error) {
	var people []*part
	byID := map[string]*part{}
	partOf := func(distinctID string) *part {
		p := byID[distinctID]
		if p == nil {
			p = &part{key: person.MakeKey(of.secret, distinctID), distinctID: distinctID}
			byID[distinctID] = p
			people = append(people, p)
		}
		return p
	}
	keyOf := func(id string) string { return string(person.MakeKey(of.secret, id)) }
	reader := identity.NewReader()
	index := 0
	err := event.Unpack(m.Data,
		func(e *event.Event) error {
			index++
			p := partOf(e.DistinctID)
			said, user, err := reader.Claims(e)
			if err != nil {
				return err
			}
			own := *e
			if own.Properties, err = identity.Conceal(e, keyOf); err != nil {
				return err
			}
			p.events = append(p.events, own)
			if user != "" && user == p.distinctID {
				p.identify("$user_id", of.userIDs)
			}
			p.vouch(e.Speaker, of.userIDs)
			for len(said) > 0 && len(p.claims) < len(p.events)-1 {
				p.claims = append(p.claims, nil)
			}
			if len(said) > 0 {
				all := make([]claim, len(said))
				for i, c := range said {
					all[i] = claim{Claim: c, Speaker: e.Speaker, Received: e.Received, Message: m.ID, Index: index}
				}
				p.claims = append(p.claims, all)
			}
			return nil
		},
		func(o *event.Op) error {
			p := partOf(o.DistinctID)
			p.ops = append(p.ops, *o)
			p.vouch(o.Speaker, of.userIDs)
			return nil
		})
	return people, err
}

// identify notes why the identity is known to be a user's.
func (p *part) identify(why string, ids identity.UserIDs) {
	if p.user == "" && p.distinctID != "" && identity.FormOf(p.distinctID, ids) != identity.Device {
		p.user = why
	}
}

// vouch notes that the app's server has proven the identity, as it does of its users.
func (p *part) vouch(by event.Speaker, ids identity.UserIDs) {
	if by == event.ByProof {
		p.identify(by.String(), ids)
	}
}

// claimsOf are what the events say that have been kept. It tells an event by its place
// among those of the part, before any was dropped.
func (p *part) claimsOf(kept func(*event.Event) bool) (all []claim) {
	for i, said := range p.claims {
		if len(said) > 0 && kept(&p.events[i]) {
			all = append(all, said...)
		}
	}
	return all
}

// keep drops what the identity's fence or the person's consent forbids and reports how
// many. Nobody has no fence, and cannot have consented.
func (p *part) keep(s *person.Standing) (dropped int) {
	before := len(p.events) + len(p.ops)
	p.events = filter(p.events, func(e *event.Event) bool { return keeps(s, e) })
	p.ops = filter(p.ops, func(o *event.Op) bool {
		// Deleting one's profile needs no consent.
		return s.Keeps(o.Received.Time(), unsetMeans(o.OptIn)) || o.Name == "$delete" && s.Own.Doc.AfterFence(o.Received.Time())
	})
	return before - len(p.events) - len(p.ops)
}

func keeps(s *person.Standing, e *event.Event) bool {
	return s.Keeps(e.Received.Time(), unsetMeans(e.OptIn))
}

// filter leaves its input as it is: a transaction that runs again starts over.
func filter[T any](all []T, keep func(*T) bool) []T {
	kept := all[:0:0]
	for i := range all {
		if keep(&all[i]) {
			kept = append(kept, all[i])
		}
	}
	return kept
}

func unsetMeans(optIn bool) consent.State {
	if optIn {
		return consent.Denied
	}
	return consent.Granted
}

// firstReceived is the receipt of the oldest item.
func (p *part) firstReceived() time.Time {
	first := event.Now()
	for i := range p.events {
		first = min(first, p.events[i].Received)
	}
	for i := range p.ops {
		first = min(first, p.ops[i].Received)
	}
	return first.Time()
}

// writes are what a transaction will do for one identity, decided while it may
// still read.
type writes struct {
	part    part
	person  person.Key // whose the identity is
	chunks  []chunk.Chunk
	update  map[string]any // fields of the identity's document
	profile *profile.Change
	claims  []claim // of the events that are kept
}

// do adds the writes to the transaction.
func (w *writes) do(tx *firestore.Transaction, db *firestore.Client, project string) error {
	if w.profile != nil && len(w.profile.Fields) > 0 {
		if w.person != w.part.key {
			if err := tx.Set(person.Ref(db, project, w.person), w.profile.Fields, firestore.MergeAll); err != nil {
				return err
			}
		} else {
			maps.Copy(w.update, w.profile.Fields)
		}
	}
	if len(w.update) > 0 {
		if err := tx.Set(person.Ref(db, project, w.part.key), w.update, firestore.MergeAll); err != nil {
			return err
		}
	}
	for _, c := range w.chunks {
		if err := tx.Set(chunk.Ref(db, project, w.part.key, c.ID), c.Doc); err != nil {
			return err
		}
	}
	return w.profile.Write(tx)
}
