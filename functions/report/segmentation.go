package report

import (
	"context"
	"net/http"
	"slices"

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
	events  []string // none: all, as one
	span    span
	line    timeline
	measure string
	on      string // property, of a measure of numbers
	by      string // property; "" for none
	asText  bool   // its values, as in groupKeys
	where   *where.Expr
	limit   int
}

// segmentation answers GET /v1/reports/segmentation.
func (s *server) segmentation(ctx context.Context, project string, r *http.Request) (any, error) {
	q, err := parseSegmentation(r)
	if err != nil {
		return nil, err
	}
	return s.count(ctx, project, q)
}

func (s *server) count(ctx context.Context, project string, q question) (*Segmentation, error) {
	start := now()
	c := newCounter(q)
	if q.measure == ofPersons {
		if err := s.clusters(ctx, project, &c.people); err != nil {
			return nil, err
		}
	}
	if err := s.scan(ctx, project, q.span.begin, q.span.end, c.personDay); err != nil {
		return nil, err
	}
	return c.answer(start), nil
}

// counter computes a segmentation from person-days, which must come in the
// order of their days.
type counter struct {
	question
	groups []*group // beside question.events; one if there are none
	lookup *event.Lookup
	byAt   int // where lookup puts the value of by
	onAt   int // and of on
	kept   int // numbers, for quantiles

	day  string
	base int // bucket in which the day begins
	distinct
	keys   groupKeys
	space  space
	onEach func(*event.Event) error
}

// space is what is left of the limits on series.
type space struct {
	series, text int
	truncated    bool // a value has been counted as Other
}

// group is the series of one event name, or of all: one alone, or one for each value.
type group struct {
	alone  *tally            // without by
	values map[string]*tally // by the value's key
	none   *tally            // events that lack the property
	other  *tally            // values that came when space was used up
}

func newCounter(q question) *counter {
	c := &counter{question: q, keys: groupKeys{asText: q.asText}, distinct: distinct{
		oneDay:   q.span.oneChunkDay(),
		crossing: q.line.unit == weekly || q.line.unit == monthly || !q.span.isUTC(),
	}}
	c.onEach = c.event
	c.space = space{series: min(maxSeries, maxCells/q.line.n), text: maxText}
	for range max(1, len(q.events)) {
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
	place := func(name string) (at int) {
		if at = slices.Index(names, name); at < 0 {
			at = len(names)
			names = append(names, name)
		}
		return at
	}
	if q.by != "" {
		c.byAt = place(q.by)
	}
	if q.on != "" {
		c.onAt = place(q.on)
	}
	if len(names) > 0 {
		c.lookup = event.NewLookup(names...)
	}
	return c
}

func (c *counter) tally() *tally {
	t := &tally{counts: make([]int64, c.line.n)}
	if c.on != "" {
		t.numbers = newNumbers(c.measure, c.line.n)
	}
	return t
}

// personDay counts the events of one person and day.
func (c *counter) personDay(d *chunk.PersonDay) error {
	if d.Day != c.day {
		date, err := dayOf(d.Day)
		if err != nil {
			return err
		}
		c.day, c.base = d.Day, c.line.index(max(c.span.begin, event.Millis(date.UnixMilli())))
	}
	if err := d.Events(c.onEach); err != nil {
		return err
	}
	return c.leave(d.Person, c.base)
}

func (c *counter) event(e *event.Event) error {
	i := 0
	if len(c.events) > 0 {
		i = slices.Index(c.events, e.Name)
	}
	if i < 0 || !c.span.has(e.Time) {
		return nil
	}
	if c.measure == ofPersons && e.DistinctID == "" { // nobody's
		return nil
	}
	t := c.groups[i].alone
	var x float64
	if c.lookup != nil {
		values, err := c.lookup.In(e)
		if err != nil {
			return err
		}
		if c.where != nil && !c.where.Match(values) {
			return nil
		}
		if c.on != "" {
			var ok bool
			if x, ok = numberOf(values[c.onAt]); !ok {
				return nil
			}
		}
		if c.by != "" {
			t = c.series(c.groups[i], values[c.byAt])
		}
	}
	within := 0 // bucket, from the one where the day begins
	for c.base+within+1 < c.line.n && c.line.edges[c.base+within+1] <= e.Time {
		within++
	}
	switch {
	case c.measure == ofPersons:
		c.see(t, within)
		return nil
	case c.on != "":
		return c.number(t, c.base+within, x)
	}
	t.total++
	t.counts[c.base+within]++
	return nil
}
