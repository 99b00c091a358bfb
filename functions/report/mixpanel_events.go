package report

import (
	"bufio"
	"context"
	"errors"
	"math"
	"net/http"
	"slices"
	"strings"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/web"
)

// errDone ends a reading that has enough.
var errDone = errors.New("the limit is reached")

// timeForm is the parameter time_in_ms. Python writes its booleans with a capital.
func timeForm(p *web.Query) event.TimeForm {
	if given := p.Choice("time_in_ms", "false", "true", "False", "True"); strings.EqualFold(given, "true") {
		return event.Milliseconds
	}
	return event.Seconds
}

// mixpanelExport answers GET /api/2.0/export: events as they are, one a line, in the
// order of their days, in memory that does not grow with them. /import takes them back
// as the same events. The access is logged before the first leaves; of an answer that is
// cut off the connection is too.
func (s *server) mixpanelExport(ctx context.Context, c *access.Call, w http.ResponseWriter, r *http.Request) error {
	p := mixpanelQuery(r)
	days := mixpanelDates(p)
	names := list(p, "event", maxNames)
	condition := condition(p, "where")
	form := timeForm(p)
	limit := p.Int("limit", math.MaxInt32, 1, math.MaxInt32)
	if err := p.Err(); err != nil {
		return err
	}
	revealer, err := s.newRevealer(ctx, c.Project)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Cache-Control", "no-store")
	if err := c.Release(ctx); err != nil {
		return err
	}
	m := newMatcher("", selection{where: condition})
	out := bufio.NewWriterSize(w, 64<<10)
	var line []byte
	lines := &batch{revealer: revealer, write: func(e *event.Event) error {
		line = append(event.AppendExport(line[:0], e, form), '\n')
		_, err := out.Write(line)
		return err
	}}
	one := func(e *event.Event) error {
		if !days.has(e.Time) || names != nil && !slices.Contains(names, e.Name) {
			return nil
		}
		if taken, _, err := m.match(e); err != nil || taken == 0 {
			return err
		}
		if err := lines.add(ctx, e); err != nil {
			return err
		}
		if limit--; limit == 0 {
			return errDone
		}
		return nil
	}
	err = s.scan(ctx, c.Project, days.begin, days.end, func(d *chunk.PersonDay) error { return d.Events(one) })
	if err != nil && !errors.Is(err, errDone) {
		return err
	}
	if err := lines.flush(ctx); err != nil {
		return err
	}
	return out.Flush()
}

// mixpanelStream answers GET /api/query/stream/query: the events of some persons,
// those of all their linked identities, person after person, the oldest first. Who
// is restricted is not in it.
func (s *server) mixpanelStream(ctx context.Context, c *access.Call, w http.ResponseWriter, r *http.Request) error {
	p := mixpanelQuery(r)
	days := mixpanelDates(p)
	ids := list(p, "distinct_ids", maxStreamPersons)
	p.Required("distinct_ids")
	if err := p.Err(); err != nil {
		return err
	}
	owner, err := project.Get(ctx, s.db, c.Project)
	if err != nil {
		return err
	}
	c.AboutIDs(owner.Secret, ids)
	revealer, err := s.newRevealer(ctx, c.Project)
	if err != nil {
		return err
	}
	persons, err := s.readIdentities(ctx, owner, ids, revealer.restricted)
	if err != nil {
		return err
	}
	body := []byte(`{"status":"ok","results":{"events":[`)
	count, size := 0, 0
	for _, identities := range persons {
		var own []event.Event
		err := s.personEvents(ctx, c.Project, identities, days, func(e *event.Event) error {
			count++
			size += len(e.Properties)
			if count > maxStreamEvents || size > maxStreamBytes {
				return tooManyEvents()
			}
			own = append(own, *e)
			return nil
		})
		if err != nil {
			return err
		}
		if err := revealer.reveal(ctx, own); err != nil {
			return err
		}
		slices.SortFunc(own, compareEvents)
		for i := range own {
			if body[len(body)-1] != '[' {
				body = append(body, ',')
			}
			body = event.AppendExport(body, &own[i], event.WholeSeconds)
		}
	}
	c.Count(count)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, err = w.Write(append(body, "]}}\n"...))
	return err
}

func tooManyEvents() error {
	return fault.New(fault.Invalid, "these persons have more than %d events, or %d MB, in these days; ask for fewer", maxStreamEvents, maxStreamBytes>>20)
}
