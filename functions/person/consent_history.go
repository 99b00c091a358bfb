package person

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"sync"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/web"
)

// ConsentHistory is the answer to GET /v1/people/{distinct_id}/consent.
type ConsentHistory struct {
	Consent
	History    []SaidConsent `json:"history"`               // the newest first
	NextCursor string        `json:"next_cursor,omitempty"` // absent at the end
}

// SaidConsent is what was said of consent under one of the person's identities.
type SaidConsent struct {
	Consent
	DistinctID string `json:"distinct_id,omitempty"` // where it is known
}

// readConsent answers GET /v1/people/{distinct_id}/consent.
func (s *server) readConsent(ctx context.Context, caller *access.Call, w http.ResponseWriter, r *http.Request) error {
	q := web.ParseQuery(r)
	limit := q.Int("limit", defaultConsentsLimit, 1, maxConsentsLimit)
	cursor, _ := q.One("cursor")
	if err := q.Err(); err != nil {
		return err
	}
	key, err := s.identify(ctx, caller, "distinct_id", r.PathValue("distinct_id"))
	if err != nil {
		return err
	}
	found, err := s.standing(ctx, caller.Project, key)
	if err != nil {
		return err
	}
	h := history{server: s, project: caller.Project, cursor: cursor, limit: limit}
	if err := h.read(ctx, found); err != nil {
		return err
	}
	web.WriteJSON(w, h.answer(&found.Person.Doc))
	return nil
}

// history is a page of what was said under all identities of a person, the newest first.
type history struct {
	server  *server
	project string
	cursor  string
	limit   int

	mu    sync.Mutex
	first []saidUnder // of all that was read, in order; one more than the page holds
}

// saidUnder is a statement with where it stands in the order of the history.
type saidUnder struct {
	person.Entry
	distinctID string
}

// read merges the first statements of each identity under which something was said.
func (h *history) read(ctx context.Context, of *person.Standing) error {
	if err := h.readOf(ctx, &of.Own); err != nil { // a cursor that is none is found out here
		return err
	}
	members := person.Walk{Of: of.Person, Follow: person.FollowFirm}.Steps(ctx, h.server.db, h.project)
	return readEach(ctx, members, func(ctx context.Context, m *person.Member) error {
		if !m.Doc.Spoke || m.Key == of.Own.Key {
			return nil
		}
		return h.readOf(ctx, m)
	})
}

// readOf adds the first statements of one identity.
func (h *history) readOf(ctx context.Context, m *person.Member) error {
	page, err := person.History(ctx, h.server.db, h.project, m.Key, h.cursor, h.limit+1)
	if err != nil || len(page) == 0 {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range page {
		h.first = append(h.first, saidUnder{c, m.Doc.DistinctID})
	}
	slices.SortFunc(h.first, func(a, b saidUnder) int {
		return cmp.Or(b.At.Compare(a.At), cmp.Compare(b.HistoryID, a.HistoryID))
	})
	h.first = h.first[:min(len(h.first), h.limit+1)]
	return nil
}

func (h *history) answer(of *person.Doc) ConsentHistory {
	a := ConsentHistory{Consent: newConsent(of.Consent), History: []SaidConsent{}}
	for i, c := range h.first {
		if i == h.limit {
			a.NextCursor = h.first[i-1].HistoryID
			break
		}
		a.History = append(a.History, SaidConsent{newConsent(c.Consent), c.distinctID})
	}
	return a
}
