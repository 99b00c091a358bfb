package report

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lethe-analytics/lethe/shared/web"
	"github.com/lethe-analytics/lethe/shared/where"
)

// parseSegmentation reads the query of a segmentation.
func parseSegmentation(r *http.Request) (question, error) {
	p := web.ParseQuery(r)
	q := question{
		events:  eventNames(p),
		measure: p.Choice("measure", append([]string{ofEvents, ofPersons}, numeric...)...),
		limit:   p.Int("limit", defaultLimit, 1, maxLimit),
	}
	unit := p.Choice("unit", daily, hourly, weekly, monthly)
	q.span = dates(p)
	if v, ok := p.One("by"); ok {
		checkName(p, "by", v)
		q.by = v
	}
	q.on, _ = p.One("on")
	switch ofNumbers := slices.Contains(numeric, q.measure); {
	case ofNumbers && q.on == "":
		p.Fail("on", "is required: the property whose %s is asked for", q.measure)
	case !ofNumbers && q.on != "":
		p.Fail("on", "goes with a measure of numbers: %s", strings.Join(numeric, ", "))
	case ofNumbers:
		checkName(p, "on", q.on)
	}
	q.where = condition(p, "where")
	if err := p.Err(); err != nil {
		return question{}, err
	}
	return q, q.cut(unit, p)
}

// cut makes the buckets, unless there are too many.
func (q *question) cut(unit string, p *web.Query) error {
	q.line = newTimeline(unit, q.span, 0, maxBuckets)
	if q.line.n > maxBuckets {
		p.Fail("unit", "from %s to %s are more than %d buckets of a %s each: take a larger unit or fewer days",
			q.span.from.Format(time.DateOnly), q.span.to.Format(time.DateOnly), maxBuckets, unit)
	} else if q.by != "" && q.line.n*q.limit > maxPoints {
		p.Fail("limit", "%d series of %d points; at most %d points are answered: take a smaller limit, a larger unit or fewer days",
			q.limit, q.line.n, maxPoints)
	}
	return p.Err()
}

// eventNames are the parameter event, which may be repeated or absent.
func eventNames(p *web.Query) []string {
	names := p.All("event")
	if len(names) > maxEvents {
		p.Fail("event", "may be repeated up to %d times", maxEvents)
		return nil
	}
	for i, name := range names {
		checkName(p, "event", name)
		if slices.Contains(names[:i], name) {
			p.Fail("event", "names one event twice")
		}
	}
	return names
}

func checkName(p *web.Query, parameter, name string) {
	if name == "" {
		p.Fail(parameter, "must not be empty")
	}
	if len(name) > maxName {
		p.Fail(parameter, "must be at most %d bytes", maxName)
	}
}

// condition is the condition of a parameter, nil where it is absent.
func condition(p *web.Query, name string) *where.Expr {
	v, ok := p.One(name)
	if !ok {
		return nil
	}
	e, err := where.Parse(v)
	if err != nil {
		p.FailWith(name, err)
	}
	return e
}

// dates are from and to, which must be there, and tz.
func dates(p *web.Query) span {
	from, to := p.Dates()
	p.Required("from", "to")
	return newSpan(from, to, zone(p))
}

// recent are from, to and tz; where the first two are absent, the last 30 days.
func recent(p *web.Query) span {
	from, to := p.Dates()
	z := zone(p)
	switch {
	case to.IsZero() && from.IsZero():
		to = today(z)
		from = to.AddDate(0, 0, 1-defaultDays)
	case from.IsZero():
		from = to.AddDate(0, 0, 1-defaultDays)
	case to.IsZero():
		to = today(z)
		if to.Before(from) {
			to = from
		}
	}
	return newSpan(from, to, z)
}

// today is the date in a zone.
func today(zone *time.Location) time.Time {
	y, m, d := time.Now().In(zone).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

func zone(p *web.Query) *time.Location {
	name, _ := p.One("tz")
	z, ok := parseZone(name)
	if !ok {
		p.Fail("tz", badZone)
	}
	return z
}
