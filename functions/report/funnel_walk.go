package report

import (
	"slices"
	"time"

	"github.com/lethe-analytics/lethe/shared/event"
)

// walk follows persons through a funnel, each hit once, in the order of time. Of all
// the attempts of a person it keeps one for each step: of those that stand there the
// one that began last, which can do whatever an earlier one can, and longer. Attempts
// in any order are trials.
type walk struct {
	funnelQuestion
	window   event.Millis
	first    uint16      // the steps that an attempt may begin with, as bits
	attempts []*attempts // by the person's number
	cells    int
}

// attempts are one person's.
type attempts struct {
	at     []chain // by the number of steps taken, less one
	trials []trial // in any order; the one that began last is first
	best   chain
}

// chain is an attempt as far as it got.
type chain struct {
	value int32 // of by, of the first event
	entry int32 // which of the person's first events it was
	times []event.Millis
}

func newWalk(q funnelQuestion) *walk {
	f := &walk{funnelQuestion: q, window: event.Millis(time.Duration(q.Window) * 24 * time.Hour / time.Millisecond), first: 1}
	if q.Order == inAnyOrder {
		f.first = 1<<len(q.steps) - 1
	}
	return f
}

func (f *walk) walk(who uint32, hits []hit) error {
	for int(who) >= len(f.attempts) {
		f.attempts = append(f.attempts, nil)
	}
	for i := range hits {
		a := f.attempts[who]
		if a == nil {
			if hits[i].steps&f.first == 0 || !f.span.has(hits[i].at) {
				continue
			}
			a = &attempts{}
			f.attempts[who] = a
			f.cells += cellsOfPerson
		}
		switch {
		case len(a.best.times) == len(f.steps): // all the way
		case f.Order == inAnyOrder:
			f.try(a, &hits[i])
		default:
			f.step(a, &hits[i])
		}
	}
	if f.cells > maxFunnelCells {
		return tooMany("%d persons in a funnel of %d steps", maxFunnelCells/(cellsOfPerson+cellsOfStep), len(f.steps))
	}
	return nil
}

// step takes a hit, from the last step to the first, so that it is one step of an
// attempt at most.
func (f *walk) step(a *attempts, h *hit) {
	for k := min(len(a.at), len(f.steps)-1); k >= 1; k-- {
		var stands chain
		if k < len(a.at) {
			stands = a.at[k]
		}
		from := a.at[k-1]
		switch {
		case h.steps>>k&1 == 1 && from.times != nil && h.at-from.times[0] <= f.window &&
			(f.Order == strictly || stands.times == nil || stands.entry < from.entry):
			f.stand(a, k, chain{from.value, from.entry, append(slices.Clip(from.times), h.at)})
		case f.Order == strictly && k < len(a.at):
			a.at[k] = chain{}
		}
	}
	switch {
	case h.steps&1 == 1 && f.span.has(h.at):
		entry := int32(1)
		if len(a.at) > 0 {
			entry += a.at[0].entry
		}
		f.stand(a, 0, chain{h.value, entry, []event.Millis{h.at}})
	case f.Order == strictly && len(a.at) > 0:
		a.at[0].times = nil
	}
	if len(a.best.times) == len(f.steps) {
		a.at = nil
	}
}

func (f *walk) stand(a *attempts, k int, c chain) {
	if k == len(a.at) {
		a.at = append(a.at, chain{})
		f.cells += cellsOfStep + k
	}
	a.at[k] = c
	if len(c.times) > len(a.best.times) {
		a.best = c
	}
}
