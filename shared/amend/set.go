package amend

import (
	"fmt"
	"slices"
	"time"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/where"
)

// Set is the amendments of one person, made ready to be applied to many events. It
// is not safe for concurrent use.
type Set struct {
	steps []step
	unfit int
	rewriter
}

// step is one amendment.
type step struct {
	at                          time.Time
	request                     string
	events, properties, profile map[string]bool
	where                       *where.Expr // nil: all events
	lookup                      *event.Lookup
	set                         []member
}

// Compile readies amendments, in any order.
func Compile(as []Amendment) (*Set, error) {
	s := &Set{rewriter: newRewriter()}
	as = slices.Clone(as)
	slices.SortStableFunc(as, compare)
	for _, a := range as {
		next := step{at: a.At, request: a.Request, events: nameSet(a.Events), properties: nameSet(a.Properties), profile: nameSet(a.Profile)}
		if a.Set != "" {
			var err error
			if next.set, err = parseObject(a.Set); err != nil {
				return nil, err
			}
			if a.Where != "" {
				if next.where, err = where.Parse(a.Where); err != nil {
					return nil, fmt.Errorf("a stored amendment: %w", damaged(err))
				}
				next.lookup = event.NewLookup(next.where.Names()...)
			}
		}
		s.steps = append(s.steps, next)
	}
	return s, nil
}

func nameSet(names []string) map[string]bool {
	if len(names) == 0 {
		return nil
	}
	set := make(map[string]bool, len(names))
	for _, n := range names {
		set[n] = true
	}
	return set
}

// Check makes sure that these, as they stand on the person's document, are the
// amendments that the set was made of: each that comes is newer than all before. If they
// are others, the work is to begin again with those, for what these would write an erasure
// may have taken away.
func (s *Set) Check(as []Amendment) error {
	newest := func(at time.Time) bool { return len(s.steps) > 0 && s.steps[len(s.steps)-1].at.Equal(at) }
	if len(as) == len(s.steps) && (len(as) == 0 || newest(slices.MaxFunc(as, compare).At)) {
		return nil
	}
	return fault.New(fault.Unavailable, "the person's amendments have changed meanwhile")
}

func compare(a, b Amendment) int { return a.At.Compare(b.At) }

// Empty reports whether there is nothing to apply.
func (s *Set) Empty() bool { return len(s.steps) == 0 }

// Unfit counts the events in which new values had no room: they stay as they were.
func (s *Set) Unfit() int { return s.unfit }

// Event applies the amendments to an event. It is to be dropped if keep is false;
// if changed is true it was written anew.
func (s *Set) Event(e *event.Event) (keep, changed bool, err error) {
	received := e.Received.Time()
	for i := range s.steps {
		a := &s.steps[i]
		if received.After(a.at) || e.Amended >= a.at.UnixMicro() {
			continue
		}
		if a.events[e.Name] {
			return false, true, nil
		}
		matches, err := a.matches(e)
		if err != nil {
			return false, false, err
		}
		if !matches {
			continue
		}
		text, members, err := s.object(e.Properties, a.properties, a.set)
		if err != nil {
			return false, false, err
		}
		if len(a.set) > 0 && members.after > members.before && members.after > event.MaxProperties ||
			len(text) > event.MaxBytes && len(text) > len(e.Properties) {
			s.unfit++
			continue
		}
		if text != e.Properties {
			e.Properties, changed = text, true
		}
	}
	if changed {
		e.Amended = s.steps[len(s.steps)-1].at.UnixMicro()
	}
	return true, changed, nil
}

// matches reports whether the step has anything to do with an event's properties.
func (a *step) matches(e *event.Event) (bool, error) {
	if len(a.properties) == 0 && len(a.set) == 0 {
		return false, nil
	}
	if a.where == nil {
		return true, nil
	}
	values, err := a.lookup.In(e)
	if err != nil {
		return false, err
	}
	return a.where.Match(values), nil
}

// Ops applies the amendments to the operations that one message brought of a person.
// If left is false none of them has anything left to do, and they are to be dropped.
// Otherwise also one that does nothing stays, since the id of their document is
// made of all of them: it is how a redelivery is known.
func (s *Set) Ops(ops []event.Op) (changed, left bool, err error) {
	for i := range ops {
		keep, now, err := s.Op(&ops[i])
		if err != nil {
			return false, false, err
		}
		changed = changed || now
		idle := ops[i].Value == "{}" || ops[i].Value == "[]"
		left = left || keep && !idle
	}
	return changed, left || !changed, nil
}

// Op applies the amendments to a profile operation, but for those of the request
// that the operation itself is of. One that is left with nothing to do has keep
// false.
func (s *Set) Op(o *event.Op) (keep, changed bool, err error) {
	keep = true
	if o.Name == "$delete" {
		return true, false, nil
	}
	received := o.Received.Time()
	for i := range s.steps {
		a := &s.steps[i]
		if received.After(a.at) || o.Request == a.request || len(a.properties)+len(a.profile) == 0 {
			continue
		}
		drop := a.properties
		if drop == nil {
			drop = a.profile
		}
		text, left := "", 0
		if o.Name == "$unset" {
			text, left, err = s.array(o.Value, drop)
		} else {
			var n sizes
			text, n, err = s.object(o.Value, drop, nil)
			left = n.after
		}
		if err != nil {
			return false, false, err
		}
		if text != o.Value {
			o.Value, changed, keep = text, true, left > 0
		}
	}
	return keep, changed, nil
}
