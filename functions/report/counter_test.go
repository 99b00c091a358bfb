package report

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/person"
)

var (
	start  = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	oneDay = newSpan(start, start, time.UTC)
)

func personDay(who string, events ...event.Event) *chunk.PersonDay {
	d := &chunk.PersonDay{Person: person.MakeKey([]byte("secret"), who)}
	for _, c := range chunk.Build("p", events) {
		d.Day = c.Day
		d.Docs = append(d.Docs, c.Doc)
	}
	return d
}

// More values than are tracked are counted all the same, as one series.
func TestMoreValuesThanTracked(t *testing.T) {
	t.Parallel()
	q := question{events: []string{"Seen"}, span: oneDay, line: newTimeline(daily, oneDay, 0, maxBuckets), measure: ofEvents, by: "v", limit: 5}
	c := newCounter(q)
	const more = 10
	for i := range maxSeries + more {
		value := fmt.Sprint("v", i)
		if i == maxSeries-1 {
			value = Other // a value of that name is not taken for the rest
		}
		err := c.personDay(personDay("ann", event.Event{Name: "Seen", DistinctID: "ann", Time: event.Millis(start.UnixMilli()),
			Properties: fmt.Sprintf(`{"v":%q}`, value)}))
		if err != nil {
			t.Fatal(err)
		}
	}
	a := c.answer(start)
	if s := a.Series[0]; !a.Truncated || *s.Value != Other || !s.Other || s.Total != more || len(a.Series) != 5 || a.LeftOut != maxSeries-4 {
		t.Errorf("%+v, left out %d", a.Series[0], a.LeftOut)
	}
	if s := a.Series[1]; *s.Value != Other || s.Other || s.Total != 1 {
		t.Errorf("%+v", s)
	}
}

// Long values are tracked only up to a size.
func TestLongValues(t *testing.T) {
	t.Parallel()
	q := question{events: []string{"Seen"}, span: oneDay, line: newTimeline(daily, oneDay, 0, maxBuckets), measure: ofPersons, by: "v", limit: 50}
	c := newCounter(q)
	const n = maxText/500_000 + 2
	for i := range n {
		err := c.personDay(personDay("ann", event.Event{Name: "Seen", DistinctID: "ann", Time: event.Millis(start.UnixMilli()),
			Properties: fmt.Sprintf(`{"v":["%d%s"]}`, i, strings.Repeat("x", 500_000))}))
		if err != nil {
			t.Fatal(err)
		}
	}
	if a := c.answer(start); !a.Truncated || len(a.Series) != n-1 {
		t.Errorf("%d series", len(a.Series))
	}
}

func TestMoreNamesThanTracked(t *testing.T) {
	t.Parallel()
	c := newTopCounter(oneDay)
	for i := range maxSeries + 3 {
		if err := c.personDay(personDay("ann", event.Event{Name: fmt.Sprint("e", i), DistinctID: "ann", Time: event.Millis(start.UnixMilli()), Properties: `{}`})); err != nil {
			t.Fatal(err)
		}
	}
	if top := c.ranking(); len(top) != maxSeries+1 || top[0] != (TopEvent{Event: Other, Other: true, Total: 3, Unique: 3}) {
		t.Errorf("%d, %+v", len(top), top[0])
	}
}

func TestTooManyPersonsAreRefused(t *testing.T) {
	t.Parallel()
	p := people{members: maxMembers}
	if _, err := p.add(roaring.New(), 1); fault.Of(err) != fault.Invalid {
		t.Error(err)
	}
	if _, err := p.ordinal("short"); fault.Of(err) != fault.Internal {
		t.Error(err)
	}
}

func TestTimeline(t *testing.T) {
	t.Parallel()
	date := func(s string) time.Time {
		d, err := time.Parse(time.DateOnly, s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for _, c := range []struct {
		unit, from, to, first, last string
		n                           int
	}{
		{hourly, "2026-02-28", "2026-03-01", "2026-02-28T00:00:00Z", "2026-03-01T23:00:00Z", 48},
		{daily, "2024-02-28", "2024-03-01", "2024-02-28T00:00:00Z", "2024-03-01T00:00:00Z", 3},
		{weekly, "2026-11-22", "2026-11-23", "2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z", 2}, // Sunday, Monday
		{weekly, "2026-11-23", "2026-11-29", "2026-11-23T00:00:00Z", "2026-11-23T00:00:00Z", 1},
		{monthly, "2025-12-31", "2026-02-01", "2025-12-01T00:00:00Z", "2026-02-01T00:00:00Z", 3},
		{daily, "1970-01-01", "9999-12-31", "1970-01-01T00:00:00Z", "1975-06-24T00:00:00Z", maxBuckets + 1}, // enough to be refused
	} {
		l := newTimeline(c.unit, newSpan(date(c.from), date(c.to), time.UTC), 0, maxBuckets)
		if l.n != c.n || l.start(0).Format(time.RFC3339) != c.first || l.start(l.n-1).Format(time.RFC3339) != c.last {
			t.Errorf("%+v: %d, %v, %v", c, l.n, l.start(0), l.start(l.n-1))
		}
	}
}
