package report

import (
	"net/http"
	"slices"
	"time"

	"github.com/lethe-analytics/lethe/shared/web"
	"github.com/lethe-analytics/lethe/shared/where"
)

// parseSegmentation reads the query of a segmentation.
func parseSegmentation(r *http.Request) (question, error) {
	p := web.ParseQuery(r)
	q := question{
		events:  eventNames(p),
		measure: p.Choice("measure", ofEvents, ofPersons),
		limit:   p.Int("limit", defaultLimit, 1, maxLimit),
	}
	unit := p.Choice("unit", daily, hourly, weekly, monthly)
	q.from, q.to = dates(p)
	if v, ok := p.One("by"); ok {
		checkName(p, "by", v)
		q.by = v
	}
	if v, ok := p.One("where"); ok {
		var err error
		if q.where, err = where.Parse(v); err != nil {
			p.FailWith("where", err)
		}
	}
	if err := p.Err(); err != nil {
		return question{}, err
	}
	q.line = newTimeline(unit, q.from, q.to)
	if q.line.n > maxBuckets {
		p.Fail("unit", "from %s to %s are %d buckets of a %s each; at most %d are answered: take a larger unit or fewer days",
			q.from.Format(time.DateOnly), q.to.Format(time.DateOnly), q.line.n, unit, maxBuckets)
	} else if q.by != "" && q.line.n*q.limit > maxPoints {
		p.Fail("limit", "%d series of %d points; at most %d points are answered: take a smaller limit, a larger unit or fewer days",
			q.limit, q.line.n, maxPoints)
	}
	return q, p.Err()
}

func eventNames(p *web.Query) []string {
	names := p.All("event")
	p.Required("event")
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

// dates are from and to, which every report requires.
func dates(p *web.Query) (from, to time.Time) {
	from, to = p.Dates()
	p.Required("from", "to")
	return from, to
}
