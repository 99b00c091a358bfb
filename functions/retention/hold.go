package retention

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/retention"
	"github.com/lethe-analytics/lethe/shared/web"
)

// maxReason bounds the reason of a hold, in characters.
const maxReason = 1000

// readHold reads the body of a PUT of a hold.
func (s *server) readHold(caller *access.Call, w http.ResponseWriter, r *http.Request) (*person.Hold, error) {
	var b struct {
		Reason string `json:"reason"`
	}
	if err := web.ReadJSON(w, r, maxBody, &b); err != nil {
		return nil, err
	}
	b.Reason = strings.TrimSpace(b.Reason)
	if b.Reason == "" || utf8.RuneCountInString(b.Reason) > maxReason {
		return nil, fault.InField("reason", "must have 1 to %d characters", maxReason)
	}
	return &person.Hold{Since: s.config.now(), Reason: b.Reason, Actor: caller.KeyHash}, nil
}

// getHold answers GET /v1/retention/hold.
func (s *server) getHold(ctx context.Context, caller *access.Call, w http.ResponseWriter, _ *http.Request) error {
	d, err := retention.Read(ctx, s.db, caller.Project, s.config.now())
	if err != nil {
		return err
	}
	web.WriteJSON(w, newHold(d.Hold))
	return nil
}

// putHold answers PUT /v1/retention/hold: nothing of the project is purged.
func (s *server) putHold(ctx context.Context, caller *access.Call, w http.ResponseWriter, r *http.Request) error {
	h, err := s.readHold(caller, w, r)
	if err != nil {
		return err
	}
	return s.changeHold(ctx, caller, w, h)
}

// deleteHold answers DELETE /v1/retention/hold.
func (s *server) deleteHold(ctx context.Context, caller *access.Call, w http.ResponseWriter, _ *http.Request) error {
	return s.changeHold(ctx, caller, w, nil)
}

func (s *server) changeHold(ctx context.Context, caller *access.Call, w http.ResponseWriter, made *person.Hold) error {
	var now *person.Hold
	err := s.db.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		d, err := s.readTx(tx, caller)
		if err != nil {
			return err
		}
		now = dated(made, d.Hold)
		return s.bump(tx, caller, d, firestore.Update{Path: "retention_hold", Value: orDelete(now)})
	})
	if err != nil {
		return fmt.Errorf("change a hold: %w", err)
	}
	web.WriteJSON(w, newHold(now))
	return nil
}

func (s *server) readTx(tx *firestore.Transaction, caller *access.Call) (retention.Doc, error) {
	snap, err := tx.Get(retention.Ref(s.db, caller.Project))
	if err != nil {
		return retention.Doc{}, err
	}
	return retention.Decode(snap)
}

// bump raises the version, so that a purge that is running looks again before it
// deletes anything more.
func (s *server) bump(tx *firestore.Transaction, caller *access.Call, d retention.Doc, more ...firestore.Update) error {
	return tx.Update(retention.Ref(s.db, caller.Project), append(more, firestore.Update{Path: "retention_version", Value: d.Version + 1}))
}

// dated is a hold that lasts since the one before, if there is one.
func dated(made, old *person.Hold) *person.Hold {
	if made == nil || old == nil || !old.Since.Before(made.Since) {
		return made
	}
	h := *made
	h.Since = old.Since
	return &h
}

func orDelete(h *person.Hold) any {
	if h == nil {
		return firestore.Delete
	}
	return *h
}

// key is that of the person in the path.
func (s *server) key(ctx context.Context, caller *access.Call, r *http.Request) (person.Key, error) {
	if err := web.ParseQuery(r).Err(); err != nil {
		return "", err
	}
	id := r.PathValue("distinct_id")
	if err := person.CheckID("distinct_id", id); err != nil {
		return "", err
	}
	p, err := project.Get(ctx, s.db, caller.Project)
	if err != nil {
		return "", err
	}
	key := person.MakeKey(p.Secret, id)
	caller.About(key)
	return key, nil
}

// getPersonHold answers GET /v1/retention/holds/{distinct_id}.
func (s *server) getPersonHold(ctx context.Context, caller *access.Call, w http.ResponseWriter, r *http.Request) error {
	key, err := s.key(ctx, caller, r)
	if err != nil {
		return err
	}
	found, err := person.Find(person.Reader(ctx, s.db), s.db, caller.Project, key)
	if err != nil {
		return err
	}
	web.WriteJSON(w, newHold(found.Person.Doc.Hold))
	return nil
}

// putPersonHold answers PUT /v1/retention/holds/{distinct_id}. A person whom the
// project has not seen is held as well: events may be on their way.
func (s *server) putPersonHold(ctx context.Context, caller *access.Call, w http.ResponseWriter, r *http.Request) error {
	h, err := s.readHold(caller, w, r)
	if err != nil {
		return err
	}
	return s.changePersonHold(ctx, caller, w, r, h)
}

// deletePersonHold answers DELETE /v1/retention/holds/{distinct_id}.
func (s *server) deletePersonHold(ctx context.Context, caller *access.Call, w http.ResponseWriter, r *http.Request) error {
	return s.changePersonHold(ctx, caller, w, r, nil)
}

// changePersonHold sets or lifts the hold of the person whose the identity is: of all
// identities.
func (s *server) changePersonHold(ctx context.Context, caller *access.Call, w http.ResponseWriter, r *http.Request, made *person.Hold) error {
	key, err := s.key(ctx, caller, r)
	if err != nil {
		return err
	}
	var now *person.Hold
	err = s.db.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		d, err := s.readTx(tx, caller)
		if err != nil {
			return err
		}
		found, err := person.Find(tx.GetAll, s.db, caller.Project, key)
		if err != nil {
			return err
		}
		whole := &found.Person
		if now = dated(made, whole.Doc.Hold); now == nil && whole.Doc.Hold == nil {
			return nil // lifting what is not there makes no document
		}
		err = tx.Set(person.Ref(s.db, caller.Project, whole.Key), map[string]any{"hold": orDelete(now)}, firestore.Merge(firestore.FieldPath{"hold"}))
		if err != nil {
			return err
		}
		return s.bump(tx, caller, d)
	})
	if err != nil {
		return fmt.Errorf("change a person's hold: %w", err)
	}
	web.WriteJSON(w, newHold(now))
	return nil
}
