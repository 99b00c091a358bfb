package report

import (
	"math/bits"
	"slices"

	"github.com/lethe-analytics/lethe/shared/event"
)

// trial is an attempt in any order as far as it got.
type trial struct {
	begun event.Millis
	value int32                  // of by, of the event that did step 0
	done  uint16                 // steps, as bits
	times [maxSteps]event.Millis // of the steps that are done
}

// try takes a hit of a funnel in any order.
//
// Of trials that have done the same steps, the one that began last is enough. What a hit
// does depends on these steps alone, so that they stay alike as long as both last, and it
// lasts longest. Wherever they get at once it is the one that counts; where another got
// before is noted as the best.
//
// So a person has no more trials than the funnel has steps, however many the events:
// a trial has done all that a later one has, and no two have done the same. A hit keeps
// it so. It does the first open step that it matches of the later trial, and if that is
// open for the earlier one, it is the first there too, where no more steps are open.
func (f *walk) try(a *attempts, h *hit) {
	a.trials = slices.DeleteFunc(a.trials, func(t trial) bool { return h.at-t.begun > f.window })
	room := cap(a.trials)
	if f.span.has(h.at) {
		a.trials = slices.Insert(a.trials, 0, trial{begun: h.at})
	}
	for i := range a.trials {
		t := &a.trials[i]
		if open := h.steps &^ t.done; open != 0 {
			k := bits.TrailingZeros16(open)
			t.done |= 1 << k
			t.times[k] = h.at
			if k == 0 {
				t.value = h.value
			}
		}
		if n := bits.TrailingZeros16(^t.done); n > len(a.best.times) {
			f.cells += n - len(a.best.times)
			a.best = chain{value: t.value, times: t.reached(n)}
		}
	}
	a.trials = slices.CompactFunc(a.trials, func(s, t trial) bool { return s.done == t.done })
	f.cells += (cap(a.trials) - room) * cellsOfTrial
	if len(a.best.times) == len(f.steps) {
		a.trials = nil
	}
}

// reached are the times at which all steps up to each of the first n were done.
func (t *trial) reached(n int) []event.Millis {
	times := slices.Clone(t.times[:n])
	for k := 1; k < n; k++ {
		times[k] = max(times[k], times[k-1])
	}
	return times
}
