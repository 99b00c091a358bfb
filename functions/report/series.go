package report

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Segmentation is the answer to GET /v1/reports/segmentation.
type Segmentation struct {
	From    string   `json:"from"`
	To      string   `json:"to"`
	Unit    string   `json:"unit"`
	Measure string   `json:"measure"`
	On      string   `json:"on,omitempty"` // the property of a measure of numbers
	Zone    string   `json:"tz,omitempty"` // absent for UTC
	Series  []Series `json:"series"`
	// LeftOut is the number of series that the limit cut off.
	LeftOut int `json:"left_out,omitempty"`
	// Truncated says that there were more values than are tracked, and that those
	// that came last are counted as Other.
	Truncated  bool      `json:"truncated,omitempty"`
	ComputedAt time.Time `json:"computed_at"`
}

// Series is one line of a segmentation.
type Series struct {
	Event string `json:"event,omitempty"` // absent where all events count as one
	GroupValue
	Other bool  `json:"other,omitempty"`
	Total int64 `json:"total"`
	// Result is the measure of numbers, absent where there are none; Total then is
	// how many there are.
	Result *float64 `json:"result,omitempty"`
	Points []Point  `json:"points"`
}

// Point is one bucket of a series.
type Point struct {
	Time   time.Time `json:"time"` // when the bucket begins, in the report's time zone
	Count  int64     `json:"count"`
	Result *float64  `json:"result,omitempty"` // as of the series
}

// series finds the tally of a value, or makes it.
func (c *counter) series(g *group, raw jsontext.Value) *tally {
	key := c.keys.key(raw)
	if len(key) == 0 {
		if g.none == nil {
			g.none = c.tally()
		}
		return g.none
	}
	if t, ok := g.values[string(key)]; ok {
		return t
	}
	if c.space.series == 0 || len(key) > c.space.text {
		c.space.truncated = true
		if g.other == nil {
			g.other = c.tally()
		}
		return g.other
	}
	c.space.series--
	c.space.text -= len(key)
	t := c.tally()
	g.values[string(key)] = t
	return t
}

// answer writes down what was counted.
func (c *counter) answer(computed time.Time) *Segmentation {
	a := &Segmentation{
		From: c.span.from.Format(time.DateOnly), To: c.span.to.Format(time.DateOnly),
		Unit: c.line.unit, Measure: c.measure, On: c.on, Zone: zoneName(c.span.zone),
		Truncated: c.space.truncated, ComputedAt: computed,
	}
	lines := c.lines()
	if c.on != "" {
		for i := range lines {
			lines[i].Result = lines[i].tally.overall(c.measure)
		}
	}
	if c.by != "" {
		slices.SortFunc(lines, line.compare)
		if len(lines) > c.limit {
			a.LeftOut = len(lines) - c.limit
			lines = lines[:c.limit]
		}
	}
	times := make([]time.Time, c.line.n)
	for i := range times {
		times[i] = c.line.start(i)
	}
	a.Series = make([]Series, len(lines))
	for i, l := range lines {
		l.Total, l.Points = l.tally.total, make([]Point, len(times))
		for j, t := range times {
			l.Points[j] = Point{Time: t, Count: l.tally.counts[j]}
			if c.on != "" {
				l.Points[j].Result = l.tally.result(c.measure, j)
			}
		}
		a.Series[i] = l.Series
	}
	return a
}

// line is a series before its points are written.
type line struct {
	Series
	tally *tally
}

// compare orders lines: the larger result and the larger total first, then by
// value, then by event.
func (l line) compare(m line) int {
	if l.Result != nil && m.Result != nil {
		if c := cmp.Compare(*m.Result, *l.Result); c != 0 {
			return c
		}
	}
	if c := cmp.Compare(m.tally.total, l.tally.total); c != 0 {
		return c
	}
	return cmp.Or(l.GroupValue.compare(m.GroupValue), strings.Compare(l.Event, m.Event))
}

func (c *counter) lines() []line {
	var lines []line
	for i, g := range c.groups {
		name := ""
		if len(c.events) > 0 {
			name = c.events[i]
		}
		add := func(t *tally, value GroupValue, other bool) {
			if t != nil {
				lines = append(lines, line{Series{Event: name, GroupValue: value, Other: other}, t})
			}
		}
		add(g.alone, GroupValue{}, false)
		add(g.none, newGroupValue(""), false)
		for key, t := range g.values {
			add(t, newGroupValue(key), false)
		}
		add(g.other, otherGroup(), true)
	}
	return lines
}
