package report

import (
	"context"
	"time"

	_ "time/tzdata" // a container has no zones of its own

	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/event"
)

// span is a range of calendar days of a time zone, both inclusive. Its dates are
// UTC midnights that stand for themselves, whatever the zone.
type span struct {
	from, to   time.Time
	zone       *time.Location
	begin, end event.Millis // of its events: begin <= time < end
}

func newSpan(from, to time.Time, zone *time.Location) span {
	return span{from, to, zone, dayStart(from, zone), dayStart(to.AddDate(0, 0, 1), zone)}
}

func (s *span) has(t event.Millis) bool { return s.begin <= t && t < s.end }

// isUTC reports whether the days of the span are the days of the chunks.
func (s *span) isUTC() bool { return s.zone.String() == time.UTC.String() }

// oneChunkDay reports whether all events of the span are of one UTC day.
func (s *span) oneChunkDay() bool { return utcDay(s.begin) == utcDay(s.end-1) }

// utcDay is the chunks' day of a time; days are compared as text, so none is
// beyond the year 9999.
func utcDay(t event.Millis) string {
	if t.Time().Year() > 9999 {
		return "9999-12-31"
	}
	return t.Day()
}

// dayStart is when a date begins in a zone: after the last moment that has an
// earlier date. So a day whose midnight the clocks skip begins with its first hour,
// one whose midnight comes twice with the first of them, and a day that a zone
// skipped altogether is empty.
func dayStart(date time.Time, zone *time.Location) event.Millis {
	const farthest = 26 * time.Hour // farther than any zone is from UTC
	begin := date.Add(-farthest)
	for at := begin; at.Before(date.Add(farthest)); {
		_, offset := at.In(zone).Zone()
		_, end := at.In(zone).ZoneBounds()
		last := date.Add(-time.Duration(offset) * time.Second) // midnight, by the clock of this stretch
		if !end.IsZero() && end.Before(last) {
			last = end
		}
		if last.After(at) {
			begin = last
		}
		if end.IsZero() {
			break
		}
		at = end
	}
	return event.Millis(begin.UnixMilli())
}

// parseZone finds an IANA time zone.
func parseZone(name string) (zone *time.Location, ok bool) {
	if name == "" {
		return time.UTC, true
	}
	if name == "Local" || len(name) > 64 {
		return time.UTC, false
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return time.UTC, false
	}
	return zone, true
}

// zoneName is how an answer names a zone: not at all, if it is UTC.
func zoneName(zone *time.Location) string {
	if zone.String() == time.UTC.String() {
		return ""
	}
	return zone.String()
}

// badZone is what is said of a tz that parseZone does not find.
const badZone = "must be the name of an IANA time zone, as Europe/Berlin"

// scan is the one way in which reports read: it hands out the person-days that
// have events from begin to before end, in the order of their days; events at the
// edges of its first and last UTC day may be outside.
func (s *server) scan(ctx context.Context, project string, begin, end event.Millis, each func(*chunk.PersonDay) error) error {
	for d, err := range s.personDays(ctx, project, utcDay(begin), utcDay(end-1)) {
		if err != nil {
			return err
		}
		if err := each(d); err != nil {
			return err
		}
	}
	return nil
}
