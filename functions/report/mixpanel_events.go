package report

import (
	"bufio"
	"context"
	"errors"
	"math"
	"net/http"
	"slices"
	"strconv"

	"cloud.google.com/go/firestore"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/project"
)

// errDone ends a reading that has enough.
var errDone = errors.New("the limit is reached")

// appendRaw writes an event as Mixpanel's raw export has it: the time in whole
// seconds, the receipt in milliseconds.
func appendRaw(b []byte, e *event.Event) []byte {
	b = append(b, `{"event":`...)
	b, _ = jsontext.AppendQuote(b, e.Name) // of what is not UTF-8 it writes replacements
	b = strconv.AppendInt(append(b, `,"properties":{"time":`...), int64(math.Floor(float64(e.Time)/1000)), 10)
	b, _ = jsontext.AppendQuote(append(b, `,"distinct_id":`...), e.DistinctID)
	b, _ = jsontext.AppendQuote(append(b, `,"$insert_id":`...), e.InsertID)
	b = strconv.AppendInt(append(b, `,"mp_processing_time_ms":`...), int64(e.Received), 10)
	if len(e.Properties) > 2 {
		return append(append(append(b, ','), e.Properties[1:]...), '}')
	}
	return append(b, "}}"...)
}

// mixpanelExport answers GET /api/2.0/export: events as they are, one a line, in the
// order of their days, in memory that does not grow with them. The access is logged
// before the first leaves; of an answer that is cut off the connection is too.
func (s *server) mixpanelExport(ctx context.Context, c *access.Call, w http.ResponseWriter, r *http.Request) error {
	p := mixpanelQuery(r)
	days := mixpanelDates(p)
	names := list(p, "event", maxNames)
	condition := condition(p, "where")
	limit := p.Int("limit", math.MaxInt32, 1, math.MaxInt32)
	if err := p.Err(); err != nil {
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
	one := func(e *event.Event) error {
		if !days.has(e.Time) || names != nil && !slices.Contains(names, e.Name) {
			return nil
		}
		if taken, _, err := m.match(e); err != nil || taken == 0 {
			return err
		}
		line = append(appendRaw(line[:0], e), '\n')
		if _, err := out.Write(line); err != nil {
			return err
		}
		if limit--; limit == 0 {
			return errDone
		}
		return nil
	}
	err := s.scan(ctx, c.Project, days.begin, days.end, func(d *chunk.PersonDay) error { return d.Events(one) })
	if err != nil && !errors.Is(err, errDone) {
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
	keys, err := s.members(ctx, owner, ids)
	if err != nil {
		return err
	}
	body := []byte(`{"status":"ok","results":{"events":[`)
	count, size := 0, 0
	for _, identities := range keys {
		var own []event.Event
		for _, key := range identities {
			err := s.personEvents(ctx, c.Project, key, days, func(e *event.Event) error {
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
		}
		slices.SortStableFunc(own, func(a, b event.Event) int { return int(a.Time - b.Time) })
		for i := range own {
			if body[len(body)-1] != '[' {
				body = append(body, ',')
			}
			body = appendRaw(body, &own[i])
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

// members are the identities of each person asked for who is not restricted; one who
// is named twice comes once.
func (s *server) members(ctx context.Context, p project.Project, ids []string) (all [][]person.Key, err error) {
	keys := make([]person.Key, len(ids))
	for i, id := range ids {
		keys[i] = person.MakeKey(p.Secret, id)
	}
	get := func(refs []*firestore.DocumentRef) ([]*firestore.DocumentSnapshot, error) {
		return s.db.GetAll(ctx, refs)
	}
	clusters, err := person.Clusters(get, s.db, p.ID, keys)
	if err != nil {
		return nil, err
	}
	seen, err := s.restricted(ctx, p.ID)
	if err != nil {
		return nil, err
	}
	for _, members := range clusters {
		var identities []person.Key
		for _, m := range members {
			if !seen[m.Key] {
				identities = append(identities, m.Key)
			}
			seen[m.Key] = true
		}
		all = append(all, identities)
	}
	return all, nil
}

// personEvents hands out the events of one identity.
func (s *server) personEvents(ctx context.Context, project string, key person.Key, days span, fn func(*event.Event) error) error {
	for d, err := range chunk.PersonDaysOnward(ctx, s.db, project, key, utcDay(days.begin), utcDay(days.end-1)) {
		if err != nil {
			return err
		}
		err := d.Events(func(e *event.Event) error {
			if !days.has(e.Time) {
				return nil
			}
			return fn(e)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
