package store

import (
	"github.com/lethe-analytics/lethe/shared/amend"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
)

// amend applies the person's amendments to what is left of the batch after keep.
// Most persons have none, and of those who do only what was received before.
func (p *part) amend(doc *person.Doc) (changed bool, dropped int, err error) {
	if !amend.Reach(doc.Amendments, p.firstReceived()) {
		return false, 0, nil
	}
	set, err := amend.Compile(doc.Amendments)
	if err != nil {
		return false, 0, err
	}
	before := len(p.events) + len(p.ops)
	events := p.events[:0:0] // the batch's own stay: a transaction that runs again starts over
	for _, e := range p.events {
		keep, now, err := set.Event(&e)
		if err != nil {
			return false, 0, err
		}
		changed = changed || now
		if keep {
			events = append(events, e)
		}
	}
	p.events = events
	p.ops = append([]event.Op(nil), p.ops...)
	now, left, err := set.Ops(p.ops)
	if err != nil {
		return false, 0, err
	}
	if !left {
		p.ops = nil
	}
	return changed || now, before - len(p.events) - len(p.ops), nil
}
