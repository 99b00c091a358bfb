package person

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/web"
)

// maxRestrictionBody bounds the body of PUT /v1/people/{distinct_id}/restriction.
const maxRestrictionBody = 16 << 10

// Restriction says since when and why a person's data may only be kept.
type Restriction struct {
	Since  time.Time `json:"since,omitzero"`
	Reason string    `json:"reason,omitempty"`
}

// Restricted is the answer of /v1/people/{distinct_id}/restriction.
type Restricted struct {
	Restricted bool `json:"restricted"`
	Restriction
}

func newRestricted(r *person.Restriction) Restricted {
	if r == nil {
		return Restricted{}
	}
	return Restricted{Restricted: true, Restriction: Restriction{Since: r.Since.UTC(), Reason: r.Reason}}
}

// restrict answers PUT /v1/people/{distinct_id}/restriction. As with consent, a
// person whom the project has never seen is no different.
func (s *server) restrict(ctx context.Context, caller *access.Call, w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Reason string `json:"reason"`
	}
	if err := web.ReadJSON(w, r, maxRestrictionBody, &body); err != nil {
		return err
	}
	body.Reason = strings.TrimSpace(body.Reason)
	if utf8.RuneCountInString(body.Reason) > maxReason {
		return fault.InField("reason", "is longer than %d characters", maxReason)
	}
	made := &person.Restriction{Since: time.Now().UTC().Truncate(time.Microsecond), Reason: body.Reason, Actor: caller.KeyHash}
	return s.changeRestriction(ctx, caller, made, w, r)
}

// unrestrict answers DELETE /v1/people/{distinct_id}/restriction.
func (s *server) unrestrict(ctx context.Context, caller *access.Call, w http.ResponseWriter, r *http.Request) error {
	return s.changeRestriction(ctx, caller, nil, w, r)
}

func (s *server) changeRestriction(ctx context.Context, caller *access.Call, made *person.Restriction, w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseQuery(r).Err(); err != nil {
		return err
	}
	key, err := s.keyOf(ctx, caller, r.PathValue("distinct_id"))
	if err != nil {
		return err
	}
	var now *person.Restriction
	err = s.db.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		all, err := person.Cluster(tx.GetAll, s.db, caller.Project, key)
		if err != nil {
			return err
		}
		now = since(made, all)
		for _, m := range all {
			var value any = firestore.Delete
			switch {
			case now != nil:
				value = now
			case m.Doc.Restriction == nil:
				continue // lifting what is not there makes no document
			}
			if err := tx.Set(person.Ref(s.db, caller.Project, m.Key), map[string]any{"restriction": value}, firestore.Merge(firestore.FieldPath{"restriction"})); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("change a restriction: %w", err)
	}
	web.WriteJSON(w, newRestricted(now))
	return nil
}

// since dates a restriction back to the first one that is still in force among
// those who are one person.
func since(made *person.Restriction, all []person.Member) *person.Restriction {
	if made == nil {
		return nil
	}
	r := *made
	for _, m := range all {
		if old := m.Doc.Restriction; old != nil && old.Since.Before(r.Since) {
			r.Since = old.Since
		}
	}
	return &r
}

// restriction answers GET /v1/people/{distinct_id}/restriction.
func (s *server) restriction(ctx context.Context, caller *access.Call, w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseQuery(r).Err(); err != nil {
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
	web.WriteJSON(w, newRestricted(doc.Restriction))
	return nil
}
