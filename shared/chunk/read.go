package chunk

import (
	"context"
	"fmt"
	"hash/maphash"
	"iter"

	"cloud.google.com/go/firestore"
	"google.golang.org/api/iterator"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
)

// PersonDay is all that is stored of one person on one day: the unit in which
// events are read, since duplicates never cross it.
type PersonDay struct {
	Day    string
	Person person.Key
	Docs   []Doc
	IDs    []string // of the chunks, beside Docs, in order
}

// Place is where an event stands on a person's day: the nth of a chunk. It stays what
// it is while other chunks come and go.
type Place struct {
	Chunk string `json:"chunk,omitempty"`
	Event int    `json:"event,omitempty"`
}

func (p Place) before(q Place) bool {
	return p.Chunk < q.Chunk || p.Chunk == q.Chunk && p.Event < q.Event
}

// ProjectDays streams a project's events of the days from and to (inclusive) in
// the order of day and person, one query, a bounded number of documents in
// memory.
func ProjectDays(ctx context.Context, db *firestore.Client, project, from, to string) iter.Seq2[*PersonDay, error] {
	return days(ctx, projectDays(db, project, from, to))
}

func projectDays(db *firestore.Client, project, from, to string) firestore.Query {
	return db.CollectionGroup(Collection).
		Where("project", "==", project).Where("day", ">=", from).Where("day", "<=", to).
		OrderBy("day", firestore.Asc).OrderBy(firestore.DocumentID, firestore.Asc)
}

// PersonDays streams one person's events of the days from and to (inclusive),
// the newest day first.
func PersonDays(ctx context.Context, db *firestore.Client, project string, key person.Key, from, to string) iter.Seq2[*PersonDay, error] {
	q := person.Ref(db, project, key).Collection(Collection).
		Where("day", ">=", from).Where("day", "<=", to).
		OrderBy("day", firestore.Desc)
	return days(ctx, q)
}

// PersonDaysOnward is PersonDays with the oldest day first.
func PersonDaysOnward(ctx context.Context, db *firestore.Client, project string, key person.Key, from, to string) iter.Seq2[*PersonDay, error] {
	q := person.Ref(db, project, key).Collection(Collection).
		Where("day", ">=", from).Where("day", "<=", to).
		OrderBy("day", firestore.Asc)
	return days(ctx, q)
}

// days groups a query's documents, which come ordered by day and person.
func days(ctx context.Context, q firestore.Query) iter.Seq2[*PersonDay, error] {
	return func(yield func(*PersonDay, error) bool) {
		docs := q.Documents(ctx)
		defer docs.Stop()
		var open *PersonDay
		for {
			snap, err := docs.Next()
			if err == iterator.Done {
				break
			}
			if err != nil {
				yield(nil, fmt.Errorf("read chunks: %w", err))
				return
			}
			var doc Doc
			if err := snap.DataTo(&doc); err != nil {
				yield(nil, fmt.Errorf("decode chunk: %w", err))
				return
			}
			key := person.Key(snap.Ref.Parent.Parent.ID)
			if open != nil && (open.Day != doc.Day || open.Person != key) {
				if !yield(open, nil) {
					return
				}
				open = nil
			}
			if open == nil {
				open = &PersonDay{Day: doc.Day, Person: key}
			}
			open.Docs, open.IDs = append(open.Docs, doc), append(open.IDs, snap.Ref.ID)
		}
		if open != nil {
			yield(open, nil)
		}
	}
}

var seed = maphash.MakeSeed()

// Events calls the function with each event once: of those that share a key,
// the latest received. The event is reused between calls.
func (d *PersonDay) Events(fn func(*event.Event) error) error {
	return d.each(func(_, _ int, e *event.Event) error { return fn(e) })
}

// EventsFrom is Events from a place on; the function is told where each event stands.
func (d *PersonDay) EventsFrom(from Place, fn func(Place, *event.Event) error) error {
	return d.each(func(doc, n int, e *event.Event) error {
		at := Place{d.IDs[doc], n}
		if at.before(from) {
			return nil
		}
		return fn(at, e)
	})
}

// each calls the function with each event once, and with its document and its number
// in there.
func (d *PersonDay) each(fn func(doc, n int, e *event.Event) error) error {
	n := 0
	if len(d.Docs) == 1 { // within a chunk there are no duplicates
		return event.Unpack(d.Docs[0].Data, func(e *event.Event) error {
			n++
			return fn(0, n-1, e)
		}, nil)
	}
	// Two passes, so that of each event no more than a hash and its receipt is
	// kept in memory.
	const taken = -1
	newest := map[uint64]event.Millis{}
	for _, doc := range d.Docs {
		err := event.Unpack(doc.Data, func(e *event.Event) error {
			h := maphash.Comparable(seed, e.Key())
			if r, seen := newest[h]; !seen || e.Received > r {
				newest[h] = e.Received
			}
			return nil
		}, nil)
		if err != nil {
			return err
		}
	}
	for i, doc := range d.Docs {
		n = 0
		err := event.Unpack(doc.Data, func(e *event.Event) error {
			n++
			h := maphash.Comparable(seed, e.Key())
			if newest[h] != e.Received {
				return nil
			}
			newest[h] = taken
			return fn(i, n-1, e)
		}, nil)
		if err != nil {
			return err
		}
	}
	return nil
}
