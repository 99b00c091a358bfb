package report

import "slices"

// recurring is what is kept of one person in recurring retention.
type recurring struct {
	cohorts []int32 // those whose intervals are not over, in their order
	later   int32   // interval whose return has not been counted in the cohorts before it
	same    int32   // interval whose return has not been counted in its own cohort
}

// recur follows one person on: each hit first is a return to the cohorts that it is in,
// then perhaps the birth into one more.
func (c *cohorts) recur(l *recurring, hits []hit) error {
	for _, h := range hits {
		at := int32(c.line.index(h.at))
		if h.steps&2 != 0 {
			c.comeBack(l, at)
		}
		if h.steps&1 == 0 || !c.span.has(h.at) || len(l.cohorts) > 0 && l.cohorts[len(l.cohorts)-1] == at {
			continue
		}
		before := len(l.cohorts)
		l.cohorts = append(slices.DeleteFunc(l.cohorts, func(k int32) bool { return int(at-k) >= c.intervals }), at)
		if c.kept += len(l.cohorts) - before; c.kept > maxMembers {
			return tooMany("%d pairs of a person and a cohort", maxMembers)
		}
		c.sizes[at]++
	}
	return nil
}

// comeBack counts a return in an interval, once for each cohort.
func (c *cohorts) comeBack(l *recurring, at int32) {
	for _, k := range l.cohorts {
		switch i := at - k; {
		case int(i) >= c.intervals:
		case i == 0 && l.same <= at:
			c.returns[k][0]++
			l.same = at + 1
		case i > 0 && l.later <= at:
			c.returns[k][i]++
		}
	}
	l.later = at + 1
}
