package report

import (
	"fmt"
	"sort"
	"time"

	"github.com/lethe-analytics/lethe/shared/event"
)

// Units of time, as the parameter names them.
const (
	minutely = "minute"
	hourly   = "hour"
	daily    = "day"
	weekly   = "week"
	monthly  = "month"
)

// timeline cuts a span into buckets of a unit, by the calendar of its zone: a day
// may have 23 or 25 hours. A week begins on Monday, as in ISO 8601; the first
// bucket may begin before the span. Hours are counted from the day's beginning.
type timeline struct {
	unit  string
	zone  *time.Location
	n     int
	edges []event.Millis // of the buckets: one more than there are
}

// newTimeline cuts a span, and goes on for some more buckets after it. Where there
// are more than most buckets it ends after one too many, for the caller to refuse.
func newTimeline(unit string, s span, more, most int) timeline {
	t := timeline{unit: unit, zone: s.zone}
	date := s.from
	switch unit {
	case weekly:
		date = date.AddDate(0, 0, -(int(date.Weekday())+6)%7)
	case monthly:
		date = date.AddDate(0, 0, 1-date.Day())
	}
	for t.n = 0; t.n <= most && (!date.After(s.to) || more > 0); {
		if date.After(s.to) {
			more--
		}
		next := t.after(date)
		start, end := dayStart(date, s.zone), dayStart(next, s.zone)
		step := end - start
		switch unit {
		case minutely:
			step = event.Millis(time.Minute.Milliseconds())
		case hourly:
			step = event.Millis(time.Hour.Milliseconds())
		}
		if start == end || step == end-start { // a day that a zone skipped has a bucket too
			t.edges = append(t.edges, start)
		} else {
			for at := start; at < end; at += step {
				t.edges = append(t.edges, at)
			}
		}
		t.n = len(t.edges)
		date = next
	}
	t.edges = append(t.edges, dayStart(date, s.zone))
	return t
}

// after is the date on which the next bucket begins; for units below a day the next
// day.
func (t timeline) after(date time.Time) time.Time {
	switch t.unit {
	case weekly:
		return date.AddDate(0, 0, 7)
	case monthly:
		return date.AddDate(0, 1, 0)
	}
	return date.AddDate(0, 0, 1)
}

// index is the bucket of a time: the first for what is before, the last for what is
// after all of them.
func (t timeline) index(at event.Millis) int {
	i := sort.Search(t.n, func(i int) bool { return t.edges[i+1] > at })
	return min(i, t.n-1)
}

// start is when a bucket begins, in the zone.
func (t timeline) start(i int) time.Time { return t.edges[i].Time().In(t.zone) }

// dayOf reads the day of a chunk.
func dayOf(s string) (time.Time, error) {
	d, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return time.Time{}, fmt.Errorf("day of a chunk: %w", err)
	}
	return d, nil
}

// now is the present as an answer shows it.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }
