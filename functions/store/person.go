package store

import (
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/profile"
)

// part is what a batch holds of one person.
type part struct {
	key        person.Key
	distinctID string // empty: the events are nobody's
	events     []event.Event
	ops        []event.Op
}

// sortOut gives a batch's events and operations to their persons.
func sortOut(data, secret []byte) ([]*part, error) {
	var people []*part
	byID := map[string]*part{}
	of := func(distinctID string) *part {
		p := byID[distinctID]
		if p == nil {
			p = &part{key: person.MakeKey(secret, distinctID), distinctID: distinctID}
			byID[distinctID] = p
			people = append(people, p)
		}
		return p
	}
	err := event.Unpack(data,
		func(e *event.Event) error {
			p := of(e.DistinctID)
			p.events = append(p.events, *e)
			return nil
		},
		func(o *event.Op) error {
			p := of(o.DistinctID)
			p.ops = append(p.ops, *o)
			return nil
		})
	return people, err
}

// keep drops what the person's fence or consent forbids and reports how many.
// Nobody has no fence, and cannot have consented.
func (p *part) keep(doc *person.Doc) (dropped int) {
	before := len(p.events) + len(p.ops)
	p.events = filter(p.events, func(e *event.Event) bool { return doc.Keeps(e.Received.Time(), unsetMeans(e.OptIn)) })
	p.ops = filter(p.ops, func(o *event.Op) bool {
		// Deleting one's profile needs no consent.
		return doc.Keeps(o.Received.Time(), unsetMeans(o.OptIn)) || o.Name == "$delete" && doc.AfterFence(o.Received.Time())
	})
	return before - len(p.events) - len(p.ops)
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

// writes are what a transaction will do for one person, decided while it may
// still read.
type writes struct {
	part    part
	chunks  []chunk.Chunk
	update  map[string]any // fields of the person's document
	profile *profile.Change
}

// do adds the writes to the transaction.
func (w *writes) do(tx *firestore.Transaction, db *firestore.Client, project string) error {
	ref := person.Ref(db, project, w.part.key)
	if len(w.update) > 0 {
		if err := tx.Set(ref, w.update, firestore.MergeAll); err != nil {
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
