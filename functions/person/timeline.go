package person

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/identity"
	"github.com/lethe-analytics/lethe/shared/web"
)

// Limits of a page. A page of large events ends before its limit.
const (
	defaultLimit = 100
	maxLimit     = 1000
	maxPageBytes = 8 << 20
)

// Timeline is the answer to GET /v1/people/{distinct_id}/events: the newest first.
type Timeline struct {
	Events     []Event `json:"events"`
	NextCursor string  `json:"next_cursor,omitempty"` // absent at the end
}

// Event is one event of a timeline.
type Event struct {
	Event      string          `json:"event"`
	Time       string          `json:"time"`
	Properties json.RawMessage `json:"properties"`
}

func (t *Timeline) items() int { return len(t.Events) }

func (s *server) readEvents(ctx context.Context, p subject, r *http.Request) (any, error) {
	q := web.ParseQuery(r)
	from, to := q.Dates()
	limit := q.Int("limit", defaultLimit, 1, maxLimit)
	var after *position
	if v, ok := q.One("cursor"); ok {
		pos, valid, err := s.openCursor(ctx, p, v)
		if err != nil {
			return nil, err
		}
		if !valid {
			q.Fail("cursor", "is not one that this person's timeline gave out")
		}
		after = &pos
	}
	if err := q.Err(); err != nil {
		return nil, err
	}
	page := newPage(limit, after)
	filling := &filling{server: s, subject: p, page: page, from: firstDay(from), to: lastDay(to, after)}
	if err := filling.fill(ctx); err != nil {
		return nil, err
	}
	known := s.newNames(p)
	if err := known.lookUpNamed(ctx, page.kept); err != nil {
		return nil, err
	}
	cursors := newSealer(p.secret)
	return page.answer(func(pos position) string { return cursors.seal(p.Person.Key, pos) }, known)
}

func firstDay(from time.Time) string {
	if from.IsZero() {
		from = web.MinDate
	}
	return from.Format(time.DateOnly)
}

// lastDay is the newest day that has anything for the page.
func lastDay(to time.Time, after *position) string {
	last := "9999-12-31"
	if !to.IsZero() {
		last = to.Format(time.DateOnly)
	}
	if after != nil {
		last = min(last, after.time.Day())
	}
	return last
}

// newEvent writes an event as the answer shows it.
func newEvent(e *event.Event, known *names) (Event, error) {
	shown, err := identity.Reveal(e.Name, e.Properties, known.reveal)
	if err != nil {
		return Event{}, err
	}
	own, err := json.Marshal(struct {
		DistinctID string `json:"distinct_id"`
		InsertID   string `json:"$insert_id"`
	}{e.DistinctID, e.InsertID})
	if err != nil {
		return Event{}, fmt.Errorf("write an event: %w", err)
	}
	props := string(own[:len(own)-1])
	if rest, ok := strings.CutPrefix(shown, "{"); ok && rest != "}" {
		props += "," + rest
	} else {
		props += "}"
	}
	if !json.Valid([]byte(props)) {
		return Event{}, fmt.Errorf("the properties of a stored event are not JSON")
	}
	format := "2006-01-02T15:04:05Z"
	if e.Time%1000 != 0 {
		format = "2006-01-02T15:04:05.000Z"
	}
	return Event{Event: e.Name, Time: e.Time.Time().Format(format), Properties: json.RawMessage(props)}, nil
}
