package report

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/where"
)

// Measures, as the parameter names them.
const (
	ofEvents  = "total"
	ofPersons = "unique"
)

// question is what a segmentation asks.
type question struct {
	events   []string
	from, to time.Time
	line     timeline
	measure  string
	by       string // property; "" for none
	where    *where.Expr
	limit    int
}

// segmentation answers GET /v1/reports/segmentation.
func (s *server) segmentation(ctx context.Context, project string, r *http.Request) (any, error) {
	q, err := parseSegmentation(r)
	if err != nil {
		return nil, err
	}
	start := now()
	c := newCounter(q)
	for d, err := range chunk.ProjectDays(ctx, s.db, project, q.from.Format(time.DateOnly), q.to.Format(time.DateOnly)) {
		if err != nil {
			return nil, err
		}
		if err := c.personDay(d); err != nil {
			return nil, err
		}
	}
	return c.answer(start), nil
}

// counter computes a segmentation from person-days, which must come in the
// order of their days.
type counter struct {
	question
	groups []*group // beside question.events
	lookup *event.Lookup
	byAt   int // where lookup puts the value of by

	day  string
	base int // bucket in which the day begins
	distinct
	space  space
	onEach func(*event.Event) error
}

// space is what is left of the limits on series.
type space struct {
	series, text int
	truncated    bool // a value has been counted as Other
}

// group is the series of one event name: one alone, or one for each value.
type group struct {
	alone  *tally            // without by
	values map[string]*tally // by the value's text
	null   *tally            // events that lack the property
	other  *tally            // values that came when space was used up
}

func newCounter(q question) *counter {
	c := &counter{question: q, distinct: distinct{
		oneDay: q.from.Equal(q.to),
		long:   q.line.unit == weekly || q.line.unit == monthly,
	}}
	c.onEach = c.event
	c.space = space{series: min(maxSeries, maxCells/q.line.n), text: maxText}
	for range q.events {
		g := &group{values: map[string]*tally{}}
		if q.by == "" {
			g.alone = c.tally()
		}
		c.groups = append(c.groups, g)
	}
	var names []string
	if q.where != nil {
		names = slices.Clone(q.where.Names())
	}
	if q.by != "" {
		if c.byAt = slices.Index(names, q.by); c.byAt < 0 {
			c.byAt = len(names)
			names = append(names, q.by)
		}
	}
	if len(names) > 0 {
		c.lookup = event.NewLookup(names...)
	}
	return c
}

func (c *counter) tally() *tally { return &tally{counts: make([]int64, c.line.n)} }

// personDay counts the events of one person and day.
func (c *counter) personDay(d *chunk.PersonDay) error {
	if d.Day != c.day {
		date, err := dayOf(d.Day)
		if err != nil {
			return err
		}
		c.day, c.base = d.Day, c.line.index(date)
	}
	if err := d.Events(c.onEach); err != nil {
		return err
	}
	return c.leave(d.Person, c.base)
}

func (c *counter) event(e *event.Event) error {
	i := slices.Index(c.events, e.Name)
	if i < 0 {
		return nil
	}
	if c.measure == ofPersons && e.DistinctID == "" { // nobody's
		return nil
	}
	t := c.groups[i].alone
	if c.lookup != nil {
		values, err := c.lookup.In(e)
		if err != nil {
			return err
		}
		if c.where != nil && !c.where.Match(values) {
			return nil
		}
		if c.by != "" {
			t = c.series(c.groups[i], values[c.byAt])
		}
	}
	within := 0 // bucket, from the one where the day begins
	if c.line.unit == hourly {
		within = int(int64(e.Time) / time.Hour.Milliseconds() % 24)
	}
	if c.measure == ofPersons {
		c.see(t, within)
		return nil
	}
	t.total++
	t.counts[c.base+within]++
	return nil
}
