package person

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/web"
)

// Limits of what is said about consent.
const (
	maxConsentBody       = 32 << 10
	defaultConsentsLimit = 20
	maxConsentsLimit     = 100
)

// fromAPI is the source of a consent that names none.
const fromAPI = "api"

// Consent is what the person has said; "unset" is nothing.
type Consent struct {
	State         consent.State            `json:"state"`
	Purposes      map[string]consent.State `json:"purposes,omitempty"`
	Basis         string                   `json:"basis,omitempty"`
	NoticeVersion string                   `json:"notice_version,omitempty"`
	Source        string                   `json:"source,omitempty"`
	At            time.Time                `json:"at,omitzero"`
}

// ConsentHistory is the answer to GET /v1/people/{distinct_id}/consent.
type ConsentHistory struct {
	Consent
	History    []Consent `json:"history"`               // the newest first
	NextCursor string    `json:"next_cursor,omitempty"` // absent at the end
}

func newConsent(c person.Consent) Consent {
	return Consent{
		State: cmp.Or(c.State, consent.Unset), Purposes: c.Purposes, Basis: c.Basis,
		NoticeVersion: c.NoticeVersion, Source: c.Source, At: c.At,
	}
}

// setConsent answers PUT /v1/people/{distinct_id}/consent, for a person whom the
// project has never seen as for any other: consent may be given before the first
// event, and the answer must not tell who exists.
func (s *server) setConsent(ctx context.Context, caller *access.Call, w http.ResponseWriter, r *http.Request) error {
	received := time.Now()
	if err := web.ParseQuery(r).Err(); err != nil {
		return err
	}
	key, err := s.keyOf(ctx, caller, r.PathValue("distinct_id"))
	if err != nil {
		return err
	}
	var said person.Statement
	if err := web.ReadJSON(w, r, maxConsentBody, &said); err != nil {
		return err
	}
	said.Source = cmp.Or(said.Source, fromAPI)
	c, err := said.Consent(received)
	if err != nil {
		return err
	}
	current, err := person.SetConsent(ctx, s.databases, caller.Project, key, c)
	if err != nil {
		return err
	}
	web.WriteJSON(w, newConsent(current))
	return nil
}

// consent answers GET /v1/people/{distinct_id}/consent.
func (s *server) consent(ctx context.Context, caller *access.Call, w http.ResponseWriter, r *http.Request) error {
	q := web.ParseQuery(r)
	limit := q.Int("limit", defaultConsentsLimit, 1, maxConsentsLimit)
	cursor, _ := q.One("cursor")
	if err := q.Err(); err != nil {
		return err
	}
	key, err := s.keyOf(ctx, caller, r.PathValue("distinct_id"))
	if err != nil {
		return err
	}
	doc, err := s.document(ctx, caller.Project, key)
	if err != nil {
		return err
	}
	history, next, err := person.Consents(ctx, s.db, caller.Project, key, cursor, limit)
	if err != nil {
		return err
	}
	a := ConsentHistory{Consent: newConsent(doc.Consent), History: make([]Consent, len(history)), NextCursor: next}
	for i, c := range history {
		a.History[i] = newConsent(c)
	}
	web.WriteJSON(w, a)
	return nil
}

// keyOf is the key of a person who need not exist.
func (s *server) keyOf(ctx context.Context, caller *access.Call, distinctID string) (person.Key, error) {
	if err := person.CheckID("distinct_id", distinctID); err != nil {
		return "", err
	}
	secret, err := s.secret(ctx, caller.Project)
	if err != nil {
		return "", err
	}
	key := person.MakeKey(secret, distinctID)
	caller.About(key)
	return key, nil
}
