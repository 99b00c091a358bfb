package report

import (
	"cmp"
	"context"
	"math/bits"
	"slices"

	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
)

// hit is an event that a report of sequences looks at.
type hit struct {
	at    event.Millis
	steps uint16 // those that the event matches, as bits
	value int32  // in valueTable
}

// sequence gives each person's hits to a function in the order of time, those of
// linked distinct_ids together. A person is numbered at the first hit of a step that
// may begin a sequence; what came before it is nothing to one.
//
//	person-day ─ each event ─▶ add ─▶ leave ─┬─ of one distinct_id ─▶ sort ─▶ walk
//	                                         └─ linked ─▶ kept until the day is over ─▶ sort ─▶ walk
//
// Events of one moment come in the order of the first step that they match, so that
// none is lost between two whose clock shows whole seconds; what matches no step is
// last.
type sequence struct {
	people people
	values *valueTable
	first  uint16 // the steps that may begin a sequence, as bits
	walk   func(who uint32, hits []hit) error

	day    string
	own    []hit            // of the person-day at hand
	linked map[uint32][]hit // of the day at hand
	kept   int              // in linked
}

func (q *sequence) add(h hit) error {
	if len(q.own)+q.kept >= maxHits {
		return tooMany("%d events at a time", maxHits)
	}
	q.own = append(q.own, h)
	return nil
}

// leave hands the hits of a person-day on.
func (q *sequence) leave(key person.Key) error {
	if len(q.own) == 0 {
		return nil
	}
	who, linked, err := q.people.isLinked(key)
	switch {
	case err != nil:
		return err
	case linked:
		if q.linked == nil {
			q.linked = map[uint32][]hit{}
		}
		q.linked[who] = append(q.linked[who], q.own...)
		q.kept += len(q.own)
	case slices.ContainsFunc(q.own, func(h hit) bool { return h.steps&q.first != 0 }) || q.people.has(key):
		if who, err = q.people.ordinal(key); err != nil {
			return err
		}
		if err := q.follow(who, q.own); err != nil {
			return err
		}
	}
	q.own = q.own[:0]
	return nil
}

// flush hands on what was kept of the day.
func (q *sequence) flush() error {
	for who, hits := range q.linked {
		if err := q.follow(who, hits); err != nil {
			return err
		}
	}
	clear(q.linked)
	q.kept = 0
	return nil
}

func (q *sequence) follow(who uint32, hits []hit) error {
	slices.SortFunc(hits, q.compare)
	return q.walk(who, hits)
}

func (q *sequence) compare(a, b hit) int {
	if c := cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(bits.TrailingZeros16(a.steps), bits.TrailingZeros16(b.steps)),
		cmp.Compare(a.steps, b.steps)); c != 0 || a.value == b.value {
		return c
	}
	return q.values.values[a.value].compare(q.values.values[b.value])
}

// sequences reads the events from begin to before end and hands each to the function,
// which adds its hits.
func (s *server) sequences(ctx context.Context, project string, begin, end event.Millis, q *sequence, each func(*event.Event) error) error {
	if err := s.clusters(ctx, project, &q.people); err != nil {
		return err
	}
	inside := func(e *event.Event) error {
		if e.DistinctID == "" || e.Time < begin || e.Time >= end { // nobody's, or at the edge
			return nil
		}
		return each(e)
	}
	err := s.scan(ctx, project, begin, end, func(d *chunk.PersonDay) error {
		if d.Day != q.day {
			q.day = d.Day
			if err := q.flush(); err != nil {
				return err
			}
		}
		if err := d.Events(inside); err != nil {
			return err
		}
		return q.leave(d.Person)
	})
	if err != nil {
		return err
	}
	return q.flush()
}
