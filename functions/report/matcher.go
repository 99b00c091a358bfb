package report

import (
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/where"
)

// selection is a choice of events.
type selection struct {
	event string // "" for any
	where *where.Expr
}

// matcher finds which of some selections take an event, and the value of a property,
// with one look into the event's properties.
type matcher struct {
	selections []selection
	places     [][]int // of each where's names among those of lookup
	by         int     // place of the property; -1 for none
	lookup     *event.Lookup
	scratch    []jsontext.Value
}

// newMatcher makes a matcher; by may be empty.
func newMatcher(by string, selections ...selection) *matcher {
	m := &matcher{selections: selections, by: -1}
	var names []string
	place := func(name string) (at int) {
		if at = slices.Index(names, name); at < 0 {
			at = len(names)
			names = append(names, name)
		}
		return at
	}
	for _, s := range selections {
		var at []int
		if s.where != nil {
			for _, name := range s.where.Names() {
				at = append(at, place(name))
			}
		}
		m.places = append(m.places, at)
	}
	if by != "" {
		m.by = place(by)
	}
	m.lookup = event.NewLookup(names...)
	return m
}

// match gives the selections that take the event as bits, and the value of by, which
// is good until the next call.
func (m *matcher) match(e *event.Event) (taken uint16, by jsontext.Value, err error) {
	if !slices.ContainsFunc(m.selections, func(s selection) bool { return s.event == "" || s.event == e.Name }) {
		return 0, nil, nil
	}
	values, err := m.lookup.In(e)
	if err != nil {
		return 0, nil, err
	}
	for i, s := range m.selections {
		if s.event != "" && s.event != e.Name {
			continue
		}
		if s.where != nil {
			m.scratch = m.scratch[:0]
			for _, at := range m.places[i] {
				m.scratch = append(m.scratch, values[at])
			}
			if !s.where.Match(m.scratch) {
				continue
			}
		}
		taken |= 1 << i
	}
	if m.by >= 0 {
		by = values[m.by]
	}
	return taken, by, nil
}
