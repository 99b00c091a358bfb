package incident

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"cloud.google.com/go/firestore"
	"github.com/google/uuid"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/request"
	"github.com/lethe-analytics/lethe/shared/web"
)

// Limits of an incident; an Incident stays well under Firestore's 1 MiB.
const (
	maxBody       = 256 << 10
	maxTitle      = 200 // characters, like the ones below
	maxText       = 4000
	maxLong       = 10_000
	maxCategories = 20
	maxProjects   = 400 // each is a write of one commit, of which Firestore may take 500
	maxUpdates    = 40
	maxCount      = 1_000_000_000_000
)

// body is an incident as it is opened.
type body struct {
	Title        string    `json:"title"`
	Description  string    `json:"description"`
	Occurred     time.Time `json:"occurred_at"`
	Noticed      time.Time `json:"noticed_at"`
	Categories   []string  `json:"categories"`
	Projects     []string  `json:"projects"`
	Measures     string    `json:"measures"`
	Consequences string    `json:"consequences"`
	Persons      *int      `json:"persons_about"`
	Records      *int      `json:"records_about"`
}

// text checks a text; line forbids it control characters, line ends included.
func text(field, value string, most int, line, required bool) error {
	switch {
	case required && strings.TrimSpace(value) == "":
		return fault.InField(field, "is required")
	case utf8.RuneCountInString(value) > most:
		return fault.InField(field, "is longer than %d characters", most)
	case strings.ContainsFunc(value, func(r rune) bool { return unicode.IsControl(r) && (line || !strings.ContainsRune("\n\r\t", r)) }):
		return fault.InField(field, "must not hold control characters")
	}
	return nil
}

// firstOf is the first error.
func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// check says which field is wrong.
func (b *body) check() error {
	if err := firstOf(text("title", b.Title, maxTitle, true, true), text("description", b.Description, maxLong, false, true),
		text("measures", b.Measures, maxText, false, true), text("consequences", b.Consequences, maxText, false, false)); err != nil {
		return err
	}
	switch {
	case b.Occurred.Before(web.MinDate):
		return fault.InField("occurred_at", "is required: a time from 1970-01-01")
	case b.Noticed.IsZero() || b.Noticed.Before(b.Occurred):
		return fault.InField("noticed_at", "is required, and is not before occurred_at")
	case b.Noticed.After(time.Now().Add(time.Minute)):
		return fault.InField("noticed_at", "must not be in the future")
	case len(b.Categories) == 0 || len(b.Categories) > maxCategories:
		return fault.InField("categories", "must name 1 to %d categories of data or persons", maxCategories)
	case len(b.Projects) == 0 || len(b.Projects) > maxProjects:
		return fault.InField("projects", "must name 1 to %d projects", maxProjects)
	}
	for i, c := range b.Categories {
		if err := text(fmt.Sprintf("categories[%d]", i), c, maxTitle, true, true); err != nil {
			return err
		}
	}
	for i, p := range b.Projects {
		if !project.ValidID(p) {
			return fault.InField(fmt.Sprintf("projects[%d]", i), "there is no such project")
		}
	}
	for field, n := range map[string]*int{"persons_about": b.Persons, "records_about": b.Records} {
		if n != nil && (*n < 0 || *n > maxCount) {
			return fault.InField(field, "must be from 0 to %d", maxCount)
		}
	}
	return nil
}

// create answers POST /v1/incidents.
func (s *server) create(ctx context.Context, v viewer, w http.ResponseWriter, r *http.Request) error {
	var b body
	if err := web.ReadJSON(w, r, maxBody, &b); err != nil {
		return err
	}
	if err := b.check(); err != nil {
		return err
	}
	key, err := request.IdempotencyKey(r)
	if err != nil {
		return err
	}
	i := &Incident{
		ID: uuid.NewString(), Title: b.Title, Description: b.Description, Categories: b.Categories, Consequences: b.Consequences, Measures: b.Measures,
		Persons: b.Persons, Records: b.Records, Occurred: b.Occurred.UTC(), Noticed: b.Noticed.UTC(), Opened: now(), By: v.Actor, Version: 1,
	}
	if key != "" { // the same again must not alarm customers twice
		i.ID = uuid.NewSHA1(uuid.Nil, []byte(v.Actor+"\x00"+key)).String()
	}
	i.Projects = slices.Compact(slices.Sorted(slices.Values(b.Projects)))
	if err := store(ctx, s.db, i); err != nil {
		return err
	}
	if err := publishAll(ctx, s.pub, i); err != nil {
		return err
	}
	a, err := s.answer(ctx, v, i)
	if err != nil {
		return err
	}
	created(w, "/v1/incidents/"+i.ID, a)
	return nil
}

// update answers POST /v1/incidents/{id}/updates.
func (s *server) update(ctx context.Context, v viewer, w http.ResponseWriter, r *http.Request) error {
	var b struct {
		Text     string `json:"text"`
		Measures string `json:"measures"`
	}
	if err := web.ReadJSON(w, r, maxBody, &b); err != nil {
		return err
	}
	if err := firstOf(text("text", b.Text, maxText, false, true), text("measures", b.Measures, maxText, false, false)); err != nil {
		return err
	}
	return s.change(ctx, v, w, r, func(i *Incident) {
		i.Updates = append(i.Updates, Update{Text: b.Text, At: now(), By: v.Actor})
		if b.Measures != "" {
			i.Measures = b.Measures
		}
	})
}

// close answers POST /v1/incidents/{id}/close.
func (s *server) close(ctx context.Context, v viewer, w http.ResponseWriter, r *http.Request) error {
	return s.change(ctx, v, w, r, func(i *Incident) { i.Closed = now() })
}

// change alters an open incident, and has all customers told.
func (s *server) change(ctx context.Context, v viewer, w http.ResponseWriter, r *http.Request, alter func(*Incident)) error {
	i, err := get(ctx, s.db, r.PathValue("id"))
	if err != nil {
		return err
	}
	err = s.db.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		snap, err := tx.Get(Ref(s.db, i.ID))
		if err != nil {
			return err
		}
		if i, err = decode(snap); err != nil {
			return err
		}
		if !i.Closed.IsZero() {
			return fault.New(fault.Conflict, "the incident is closed")
		}
		if alter(i); len(i.Updates) > maxUpdates {
			return fault.New(fault.Conflict, "an incident takes %d updates; open another", maxUpdates)
		}
		i.Version++
		if err := tx.Set(snap.Ref, i); err != nil {
			return err
		}
		for _, p := range i.Projects {
			if err := tx.Update(NoticeRef(s.db, i.ID, p), []firestore.Update{{Path: "due", Value: now()}}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("change an incident: %w", err)
	}
	if err := publishAll(ctx, s.pub, i); err != nil {
		return err
	}
	return s.tell(ctx, v, w, i)
}

// acknowledge answers POST /v1/incidents/{id}/acknowledge, again too.
func (s *server) acknowledge(ctx context.Context, v viewer, w http.ResponseWriter, r *http.Request) error {
	i, err := s.find(ctx, v, r)
	if err != nil {
		return err
	}
	err = s.db.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		snap, err := tx.Get(Ref(s.db, i.ID))
		if err != nil {
			return err
		}
		if i, err = decode(snap); err != nil {
			return err
		}
		if snap, err = tx.Get(NoticeRef(s.db, i.ID, v.Project)); err != nil {
			return err
		}
		n, err := decodeNotice(snap)
		if err != nil || !n.Acknowledged.IsZero() {
			return err
		}
		changes := []firestore.Update{{Path: "acknowledged", Value: now()}, {Path: "by", Value: v.Actor}}
		if n.Version == i.Version { // an update that is still on its way arrives nevertheless
			changes = append(changes, firestore.Update{Path: "due", Value: firestore.Delete})
		}
		return tx.Update(snap.Ref, changes)
	})
	if err != nil {
		return fmt.Errorf("acknowledge: %w", err)
	}
	return s.tell(ctx, v, w, i)
}
