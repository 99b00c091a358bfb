package report

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/lethe-analytics/lethe/shared/event"
)

// mixpanelSegmentation answers GET /api/query/segmentation. Type average is events
// for each person. Mixpanel's answer names a group by text alone, so that 1 and "1" are
// one group, and so are null, no value at all and "undefined": who has several of these
// is one person of it.
func (s *server) mixpanelSegmentation(ctx context.Context, project string, r *http.Request) (any, error) {
	p := mixpanelQuery(r)
	name := eventName(p)
	p.Required("event")
	kind := p.Choice("type", "general", "unique", "average")
	q := question{
		events: []string{name}, span: mixpanelDates(p), by: expression(p, "on"), asText: true, where: condition(p, "where"),
		limit: p.Int("limit", 60, 1, maxLimit),
	}
	unit := p.Choice("unit", daily, minutely, hourly, weekly, monthly)
	if err := p.Err(); err != nil {
		return nil, err
	}
	if err := q.cut(unit, p); err != nil {
		return nil, err
	}
	events, persons := q, q
	events.measure, persons.measure = ofEvents, ofPersons
	var totals, uniques *Segmentation
	var err error
	if kind != "unique" {
		if totals, err = s.count(ctx, project, events); err != nil {
			return nil, err
		}
	}
	if kind != "general" {
		if uniques, err = s.count(ctx, project, persons); err != nil {
			return nil, err
		}
	}
	return newMixpanelSegmentation(q, totals, uniques), nil
}

// mixpanelSegmented is Mixpanel's form of a segmentation.
type mixpanelSegmented struct {
	Data struct {
		Series []string                      `json:"series"` // the buckets
		Values map[string]map[string]float64 `json:"values"` // by event or value, and by bucket
	} `json:"data"`
	LegendSize int `json:"legend_size"`
}

// newMixpanelSegmentation writes one segmentation, or one divided by the other.
func newMixpanelSegmentation(q question, totals, uniques *Segmentation) *mixpanelSegmented {
	a := &mixpanelSegmented{}
	buckets := make([]string, q.line.n)
	seen := map[string]bool{}
	for i := range buckets {
		buckets[i] = dateText(q.line.unit, q.line.start(i))
		if !seen[buckets[i]] { // an hour comes twice when the clocks go back
			a.Data.Series = append(a.Data.Series, buckets[i])
		}
		seen[buckets[i]] = true
	}
	switch {
	case totals == nil:
		a.Data.Values = q.sums(uniques, buckets)
	case uniques == nil:
		a.Data.Values = q.sums(totals, buckets)
	default:
		a.Data.Values = q.sums(totals, buckets)
		persons := q.sums(uniques, buckets)
		for name, values := range a.Data.Values {
			for bucket, n := range values {
				if of := persons[name][bucket]; of > 0 {
					values[bucket] = n / of
				} else {
					values[bucket] = 0 // of nobody
				}
			}
		}
	}
	a.LegendSize = len(a.Data.Values)
	return a
}

// sums are the counts by what Mixpanel calls a series and by bucket. A value of the name
// of Other is added to it.
func (q *question) sums(s *Segmentation, buckets []string) map[string]map[string]float64 {
	all := map[string]map[string]float64{}
	for _, of := range s.Series {
		name := of.Event
		if q.by != "" {
			name = *of.Value
		}
		if all[name] == nil {
			all[name] = map[string]float64{}
		}
		for i, point := range of.Points {
			all[name][buckets[i]] += float64(point.Count)
		}
	}
	return all
}

// mixpanelRetention answers GET /api/query/retention: by cohort its size and how many
// returned, from interval 0, that of the birth, on; intervals that have not begun are
// left off.
func (s *server) mixpanelRetention(ctx context.Context, project string, r *http.Request) (any, error) {
	p := mixpanelQuery(r)
	q := retentionQuestion{span: mixpanelDates(p)}
	q.recurring = p.Choice("retention_type", "birth", "compounded") == "compounded"
	q.born = selection{where: condition(p, "born_where")}
	q.born.event, _ = p.One("born_event")
	p.Required("born_event")
	q.back = selection{event: eventName(p), where: condition(p, "where")}
	q.unit = p.Choice("unit", daily, weekly, monthly)
	q.intervals = p.Int("interval_count", 1, 1, maxIntervals)
	if err := p.Err(); err != nil {
		return nil, err
	}
	a, err := s.cohorts(ctx, project, q)
	if err != nil {
		return nil, err
	}
	type cohort struct {
		Counts []int64 `json:"counts"`
		First  int64   `json:"first"`
	}
	body := map[string]cohort{}
	for _, c := range a.Cohorts {
		k := cohort{Counts: []int64{}, First: c.Size}
		for _, n := range c.Returns {
			if n != nil {
				k.Counts = append(k.Counts, *n)
			}
		}
		body[dateText(q.unit, c.Time)] = k
	}
	return body, nil
}

// mixpanelTop answers GET /api/query/events/top: today's events, beside yesterday's
// up to this time of day. The change of an event that there was none of is null.
func (s *server) mixpanelTop(ctx context.Context, project string, r *http.Request) (any, error) {
	p := mixpanelQuery(r)
	kind := p.Choice("type", "general", "unique", "average")
	limit := p.Int("limit", 100, 1, maxLimit)
	z := zone(p)
	day := today(z)
	if err := p.Err(); err != nil {
		return nil, err
	}
	before := newSpan(day.AddDate(0, 0, -1), day.AddDate(0, 0, -1), z)
	current := newSpan(day, day, z)
	current.end = min(current.end, event.Now()+1)
	before.end = min(before.end, before.begin+current.end-current.begin)
	var ranks [2]map[string]float64
	for i, days := range []span{before, current} {
		c := newTopCounter(days)
		if err := s.clusters(ctx, project, &c.people); err != nil {
			return nil, err
		}
		if err := s.scan(ctx, project, days.begin, days.end, c.personDay); err != nil {
			return nil, err
		}
		ranks[i] = map[string]float64{}
		for _, e := range c.ranking() {
			if !e.Other {
				ranks[i][e.Event] = map[string]float64{"general": float64(e.Total), "unique": float64(e.Unique), "average": share(e.Total, e.Unique)}[kind]
			}
		}
	}
	type top struct {
		Amount float64  `json:"amount"`
		Event  string   `json:"event"`
		Change *float64 `json:"percent_change"`
	}
	events := []top{}
	for name, amount := range ranks[1] {
		t := top{Amount: amount, Event: name}
		if was := ranks[0][name]; was > 0 {
			change := (amount - was) / was
			t.Change = &change
		}
		events = append(events, t)
	}
	slices.SortFunc(events, func(a, b top) int {
		return cmp.Or(cmp.Compare(b.Amount, a.Amount), strings.Compare(a.Event, b.Event))
	})
	return struct {
		Events []top  `json:"events"`
		Type   string `json:"type"`
	}{events[:min(len(events), limit)], kind}, nil
}
