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
	key, err := s.identify(ctx, caller, "distinct_id", r.PathValue("distinct_id"))
	if err != nil {
		return err
	}
	var now *person.Restriction
	err = s.db.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		found, err := person.Find(tx.GetAll, s.db, caller.Project, key)
		if err != nil {
			return err
		}
		before := found.Person.Doc.Restriction
		if now = made; now == nil && before == nil {
			return nil // lifting what is not there makes no document
		}
		var value any = firestore.Delete
		if now != nil {
			now = dateBack(*now, before)
			value = now
		}
		return tx.Set(person.Ref(s.db, caller.Project, found.Person.Key), map[string]any{"restriction": value}, firestore.Merge(firestore.FieldPath{"restriction"}))
	})
	if err != nil {
		return fmt.Errorf("change a restriction: %w", err)
	}
	web.WriteJSON(w, newRestricted(now))
	return nil
}

// dateBack lets a restriction begin when the one began that is still in force.
func dateBack(made person.Restriction, before *person.Restriction) *person.Restriction {
	if before != nil && before.Since.Before(made.Since) {
		made.Since = before.Since
	}
	return &made
}

// readRestriction answers GET /v1/people/{distinct_id}/restriction.
func (s *server) readRestriction(ctx context.Context, caller *access.Call, w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseQuery(r).Err(); err != nil {
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
	web.WriteJSON(w, newRestricted(found.Person.Doc.Restriction))
	return nil
}
