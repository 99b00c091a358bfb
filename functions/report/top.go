package report

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/web"
)

// TopEvents is the answer to GET /v1/reports/top-events.
type TopEvents struct {
	From   string     `json:"from"`
	To     string     `json:"to"`
	Zone   string     `json:"tz,omitempty"` // absent for UTC
	Events []TopEvent `json:"events"`
	// LeftOut is the number of events that the limit cut off.
	LeftOut int `json:"left_out,omitempty"`
	// Truncated says that there were more names than are tracked, and that those
	// that came last are counted as Other.
	Truncated  bool      `json:"truncated,omitempty"`
	ComputedAt time.Time `json:"computed_at"`
}

// TopEvent is one event name with how many events and how many distinct persons
// it has.
type TopEvent struct {
	Event  string `json:"event"`
	Other  bool   `json:"other,omitempty"`
	Total  int64  `json:"total"`
	Unique int64  `json:"unique"`
}

// topEvents answers GET /v1/reports/top-events.
func (s *server) topEvents(ctx context.Context, project string, r *http.Request) (any, error) {
	p := web.ParseQuery(r)
	days := dates(p)
	limit := p.Int("limit", defaultLimit, 1, maxLimit)
	if err := p.Err(); err != nil {
		return nil, err
	}
	a := &TopEvents{From: days.from.Format(time.DateOnly), To: days.to.Format(time.DateOnly), Zone: zoneName(days.zone), ComputedAt: now()}
	c := newTopCounter(days)
	if err := s.clusters(ctx, project, &c.people); err != nil {
		return nil, err
	}
	if err := s.scan(ctx, project, days.begin, days.end, c.personDay); err != nil {
		return nil, err
	}
	a.Events = c.ranking()
	if len(a.Events) > limit {
		a.LeftOut = len(a.Events) - limit
		a.Events = a.Events[:limit]
	}
	a.Truncated = c.other != nil
	return a, nil
}

// topCounter counts events and persons by event name, in a single bucket.
type topCounter struct {
	span  span
	names map[string]*ranked
	other *ranked
	distinct
	onEach func(*event.Event) error
}

type ranked struct {
	events  int64
	persons tally
}

func newTopCounter(days span) *topCounter {
	c := &topCounter{span: days, names: map[string]*ranked{}, distinct: distinct{oneDay: days.oneChunkDay()}}
	c.onEach = c.event
	return c
}

func newRanked() *ranked { return &ranked{persons: tally{counts: make([]int64, 1)}} }

func (c *topCounter) personDay(d *chunk.PersonDay) error {
	if err := d.Events(c.onEach); err != nil {
		return err
	}
	return c.leave(d.Person, 0)
}

func (c *topCounter) event(e *event.Event) error {
	if !c.span.has(e.Time) {
		return nil
	}
	t := c.names[e.Name]
	switch {
	case t != nil:
	case len(c.names) < maxSeries:
		t = newRanked()
		c.names[strings.Clone(e.Name)] = t // the name is cut from its chunk, which it would keep
	default:
		if c.other == nil {
			c.other = newRanked()
		}
		t = c.other
	}
	t.events++
	if e.DistinctID != "" {
		c.see(&t.persons, 0)
	}
	return nil
}

func (c *topCounter) ranking() []TopEvent {
	list := make([]TopEvent, 0, len(c.names)+1)
	for name, t := range c.names {
		list = append(list, TopEvent{Event: name, Total: t.events, Unique: t.persons.total})
	}
	if c.other != nil {
		list = append(list, TopEvent{Event: Other, Other: true, Total: c.other.events, Unique: c.other.persons.total})
	}
	slices.SortFunc(list, func(a, b TopEvent) int {
		return cmp.Or(cmp.Compare(b.Total, a.Total), strings.Compare(a.Event, b.Event))
	})
	return list
}
