package person

import (
	"context"
	"net/http"
	"time"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/web"
)

// Limits of a page of links.
const (
	defaultLinksLimit = 100
	maxLinksLimit     = 1000
)

// Link says whose an identity is, and who has said so. Identities whose distinct_id is not
// known are told by their keys.
type Link struct {
	DistinctID string     `json:"distinct_id,omitempty"`
	Key        person.Key `json:"key,omitempty"`
	// Person marks the identity that the others are linked to.
	Person bool `json:"person,omitempty"`
	// To is the identity that it is linked to; absent with a By: a key has said that it is
	// linked to none.
	To    string     `json:"to,omitempty"`
	ToKey person.Key `json:"to_key,omitempty"`
	By    string     `json:"by,omitempty"`    // token, proof or key
	Actor string     `json:"actor,omitempty"` // the first characters of the hash of the key
	Event string     `json:"event,omitempty"` // the event that said it; absent: the API
	// Received is when it was said.
	Received    time.Time `json:"received,omitzero"`
	Provisional bool      `json:"provisional,omitempty"` // only reports follow it
}

// Links is the answer to GET /v1/people/{distinct_id}/links.
type Links struct {
	Links      []Link `json:"links"`
	NextCursor string `json:"next_cursor,omitempty"` // absent at the end
}

func (l *Links) items() int { return len(l.Links) }

// newLinks tells of identities and of whom they are linked to. Who may not know keys is not
// told of what is known by its key alone.
func (s *server) newLinks(ctx context.Context, p subject, of []person.Member) ([]Link, error) {
	names := s.newNames(p)
	var to []person.Key
	for i := range of {
		names.know(&of[i])
		if l := of[i].Doc.Link; l != nil && l.To != "" {
			to = append(to, l.To)
		}
	}
	if err := names.lookUp(ctx, to); err != nil {
		return nil, err
	}
	all := make([]Link, 0, len(of))
	for i := range of {
		if l := newLink(p, &of[i], names); p.privacy || l.Key == "" && l.ToKey == "" {
			all = append(all, l)
		}
	}
	return all, nil
}

func newLink(p subject, m *person.Member, names *names) Link {
	l := Link{DistinctID: m.Doc.DistinctID, Person: m.Key == p.Person.Key}
	if l.DistinctID == "" {
		l.Key = m.Key
	}
	said := m.Doc.Link
	if said == nil {
		return l
	}
	if said.To != "" {
		if l.To = names.known[said.To]; l.To == "" {
			l.ToKey = said.To
		}
	}
	l.By, l.Event, l.Provisional = event.ParseSpeaker(said.By).String(), said.Event, said.Provisional
	l.Received = said.Received.UTC()
	if p.privacy {
		l.Actor = said.Actor[:min(len(said.Actor), shownHash)]
	}
	return l
}

// shownHash is how much of a key's hash is shown, as with requests.
const shownHash = 12

// listLinks answers GET /v1/people/{distinct_id}/links.
func (s *server) listLinks(ctx context.Context, p subject, r *http.Request) (any, error) {
	q := web.ParseQuery(r)
	limit := q.Int("limit", defaultLinksLimit, 1, maxLinksLimit)
	text, _ := q.One("cursor")
	cursor := person.Place(text)
	if !cursor.Valid() {
		q.Fail("cursor", "is not one that a list of links gave out")
	}
	if err := q.Err(); err != nil {
		return nil, err
	}
	var page []person.Member
	var last person.Place
	a := &Links{}
	way := person.Walk{Of: p.Person, After: cursor, Follow: newScope(p).mayShow, Page: limit + 1}
	for step, err := range way.Steps(ctx, s.db, p.project) {
		if err != nil {
			return nil, err
		}
		if len(page) == limit {
			a.NextCursor = string(last)
			break
		}
		page, last = append(page, step.Member), step.At
	}
	var err error
	a.Links, err = s.newLinks(ctx, p, page)
	return a, err
}
