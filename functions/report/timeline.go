package report

import (
	"fmt"
	"time"
)

// Units of time, as the parameter names them.
const (
	hourly  = "hour"
	daily   = "day"
	weekly  = "week"
	monthly = "month"
)

const secondsADay = 24 * 60 * 60

// timeline cuts the days from and to (inclusive) into buckets of a unit. A week
// begins on Monday, as in ISO 8601; the first bucket may begin before from.
type timeline struct {
	unit  string
	first time.Time // of the first bucket
	n     int
}

func newTimeline(unit string, from, to time.Time) timeline {
	t := timeline{unit: unit, first: from}
	switch unit {
	case weekly:
		t.first = from.AddDate(0, 0, -(int(from.Weekday())+6)%7)
	case monthly:
		t.first = time.Date(from.Year(), from.Month(), 1, 0, 0, 0, 0, time.UTC)
	}
	t.n = t.index(to) + 1
	if unit == hourly {
		t.n += 23
	}
	return t
}

// index is the bucket in which a day begins.
func (t timeline) index(d time.Time) int {
	days := int((d.Unix() - t.first.Unix()) / secondsADay) // Sub ends at 292 years
	switch t.unit {
	case hourly:
		return days * 24
	case weekly:
		return days / 7
	case monthly:
		return (d.Year()-t.first.Year())*12 + int(d.Month()-t.first.Month())
	}
	return days
}

// start is when a bucket begins.
func (t timeline) start(i int) time.Time {
	switch t.unit {
	case hourly:
		return t.first.Add(time.Duration(i) * time.Hour)
	case weekly:
		return t.first.AddDate(0, 0, 7*i)
	case monthly:
		return t.first.AddDate(0, i, 0)
	}
	return t.first.AddDate(0, 0, i)
}

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
