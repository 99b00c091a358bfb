package report

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/lethe-analytics/lethe/shared/event"
)

// RetentionQuestion is the body of POST /v1/reports/retention.
type RetentionQuestion struct {
	Born      Selector `json:"born"`
	Return    Selector `json:"return"` // without an event: any
	From      string   `json:"from"`
	To        string   `json:"to"`
	Unit      string   `json:"unit"`
	Intervals int      `json:"intervals"`
	Zone      string   `json:"tz"`
}

// Retention is the answer to POST /v1/reports/retention: who came back, and when.
//
// A person is born at the first event of born in [from, to], as in Mixpanel's birth
// retention, and belongs to the cohort of the day, week or month, by the calendar of
// the time zone, in which that event is. It returned in interval i if it has an event
// of return in the i-th day, week or month after that one; interval 0 is the one of
// the birth itself, in which an event at or after the birth counts that is not the
// birth. Linked identities are one person.
//
// Recurring retention, which Mixpanel's query API calls compounded, takes a person into
// the cohort of every interval in which it has an event of born, not only of the first:
// the first such event of each interval is a birth, and returns are counted from it as
// above, for each of the person's cohorts.
type Retention struct {
	Unit       string    `json:"unit"`
	Intervals  int       `json:"intervals"`
	Zone       string    `json:"tz,omitempty"` // absent for UTC
	Cohorts    []Cohort  `json:"cohorts"`
	ComputedAt time.Time `json:"computed_at"`
}

// Cohort is the persons who were born in one interval.
type Cohort struct {
	Time time.Time `json:"time"` // when it begins, in the time zone; the first may begin before from
	Size int64     `json:"size"`
	// Returns has a number for each of the intervals, from that of the birth on: of
	// the persons who returned in it; null for one that has not begun.
	Returns []*int64 `json:"returns"`
}

// retentionQuestion is a question that has been checked.
type retentionQuestion struct {
	span       span
	unit       string
	intervals  int
	recurring  bool
	born, back selection
}

func parseRetention(body RetentionQuestion) (retentionQuestion, error) {
	var p problems
	q := retentionQuestion{unit: body.Unit, intervals: body.Intervals}
	q.born = p.selection("born", body.Born, false)
	q.back = p.selection("return", body.Return, true)
	q.span = p.days(body.From, body.To, body.Zone)
	if !slices.Contains([]string{daily, weekly, monthly}, body.Unit) {
		p.fail("unit", "must be one of %s, %s, %s", daily, weekly, monthly)
	}
	p.within("intervals", body.Intervals, 1, maxIntervals)
	return q, p.err()
}

// retention answers POST /v1/reports/retention.
func (s *server) retention(ctx context.Context, project string, w http.ResponseWriter, r *http.Request) (any, error) {
	body, err := readBody[RetentionQuestion](w, r)
	if err != nil {
		return nil, err
	}
	q, err := parseRetention(body)
	if err != nil {
		return nil, err
	}
	return s.cohorts(ctx, project, q)
}

func (s *server) cohorts(ctx context.Context, project string, q retentionQuestion) (*Retention, error) {
	computed := now()
	var p problems
	c := newCohorts(q)
	if c.n > maxBuckets || c.n*q.intervals > maxPoints {
		p.fail("unit", "these are more than %d cohorts, or than %d numbers: take a larger unit, fewer days or fewer intervals", maxBuckets, maxPoints)
		return nil, p.err()
	}
	seq := &sequence{first: 1, walk: c.walk}
	m := newMatcher("", q.born, q.back)
	each := func(e *event.Event) error {
		steps, _, err := m.match(e)
		if err != nil || steps == 0 {
			return err
		}
		return seq.add(hit{at: e.Time, steps: steps})
	}
	if err := s.sequences(ctx, project, q.span.begin, c.line.edges[c.line.n], seq, each); err != nil {
		return nil, err
	}
	return c.answer(computed), nil
}

// cohorts follows persons from their birth on.
type cohorts struct {
	retentionQuestion
	line    timeline // of the cohorts, and on to the last interval of the last
	n       int      // cohorts
	lives   []life   // by the person's number; recurs has them in recurring retention
	recurs  []recurring
	sizes   []int64
	returns [][]int64
	kept    int // cohorts in lives, of recurring retention
}

// life is what is kept of one person.
type life struct {
	born   bool
	cohort int32
	next   int32 // interval that has not been counted
}

func newCohorts(q retentionQuestion) *cohorts {
	c := &cohorts{retentionQuestion: q, n: newTimeline(q.unit, q.span, 0, maxBuckets).n}
	c.line = newTimeline(q.unit, q.span, q.intervals-1, maxBuckets+maxIntervals)
	c.sizes = make([]int64, c.n)
	for range c.n {
		c.returns = append(c.returns, make([]int64, q.intervals))
	}
	return c
}

func (c *cohorts) walk(who uint32, hits []hit) error {
	if c.recurring {
		for int(who) >= len(c.recurs) {
			c.recurs = append(c.recurs, recurring{})
		}
		return c.recur(&c.recurs[who], hits)
	}
	for int(who) >= len(c.lives) {
		c.lives = append(c.lives, life{})
	}
	l := &c.lives[who]
	for _, h := range hits {
		if !l.born {
			if h.steps&1 != 0 && c.span.has(h.at) {
				*l = life{born: true, cohort: int32(c.line.index(h.at))}
				c.sizes[l.cohort]++
			}
			continue
		}
		if h.steps&2 == 0 {
			continue
		}
		i := int32(c.line.index(h.at)) - l.cohort
		if i >= l.next && int(i) < c.intervals {
			c.returns[l.cohort][i]++
			l.next = i + 1
		}
	}
	return nil
}

func (c *cohorts) answer(computed time.Time) *Retention {
	a := &Retention{Unit: c.unit, Intervals: c.intervals, Zone: zoneName(c.span.zone), Cohorts: make([]Cohort, c.n), ComputedAt: computed}
	for i := range a.Cohorts {
		k := Cohort{Time: c.line.start(i), Size: c.sizes[i], Returns: make([]*int64, c.intervals)}
		for j := range k.Returns {
			if int64(c.line.edges[i+j]) <= computed.UnixMilli() {
				k.Returns[j] = &c.returns[i][j]
			}
		}
		a.Cohorts[i] = k
	}
	return a
}
