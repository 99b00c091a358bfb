package erase

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"unicode/utf8"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/amend"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/receipt"
	"github.com/lethe-analytics/lethe/shared/request"
	"github.com/lethe-analytics/lethe/shared/web"
)

// Limits of a request. A body holds 2,000 of the longest distinct_ids.
const (
	maxBody  = 4 << 20
	maxNames = 100
)

// body is what is asked for. Neither properties nor events: all of the persons. Without
// a scope, the name of a device that is joined to a user covers the device alone.
type body struct {
	DistinctIDs []string `json:"distinct_ids"`
	Properties  []string `json:"properties"`
	Events      []string `json:"events"`
	Suppress    bool     `json:"suppress"`
	Scope       string   `json:"scope"`
}

// erasure is the parameters of a request.
type erasure struct {
	Properties []string `json:"properties,omitempty"`
	Events     []string `json:"events,omitempty"`
	Suppress   bool     `json:"suppress,omitempty"`
	Scope      string   `json:"scope,omitempty"` // receipt.ScopePerson: the person is asked for, whichever identity is named
}

// person reports whether the person is asked for (person.Standing.CoversPerson).
func (e *erasure) person() bool { return e.Scope == receipt.ScopePerson }

// whole reports whether all of the persons is to go.
func (e *erasure) whole() bool { return len(e.Properties)+len(e.Events) == 0 }

// kind is how a receipt names it.
func (e *erasure) kind() string {
	switch {
	case len(e.Properties) > 0:
		return receipt.KindProperties
	case len(e.Events) > 0:
		return receipt.KindEvents
	}
	return receipt.KindPersons
}

// amendments are what the erasure of properties or events comes to on a person's
// document.
func (e *erasure) amendments() []amend.Amendment {
	return []amend.Amendment{{Properties: e.Properties, Events: e.Events}}
}

func readParams(r *request.Request) (*erasure, error) {
	e := &erasure{}
	if err := json.Unmarshal([]byte(r.Params), e); err != nil {
		return nil, fmt.Errorf("decode the parameters of a deletion: %w", err)
	}
	return e, nil
}

// check makes the parameters, or says which field is wrong.
func (b *body) check() (*erasure, error) {
	if err := request.CheckIDs("distinct_ids", b.DistinctIDs); err != nil {
		return nil, err
	}
	for field, names := range map[string][]string{"properties": b.Properties, "events": b.Events} {
		if names != nil && len(names) == 0 {
			return nil, fault.InField(field, "must name at least one, or be absent")
		}
		if len(names) > maxNames {
			return nil, fault.InField(field, "has %d names; at most %d are taken", len(names), maxNames)
		}
		for i, n := range names {
			at := fmt.Sprintf("%s[%d]", field, i)
			switch {
			case n == "":
				return nil, fault.InField(at, "must not be empty")
			case utf8.RuneCountInString(n) > event.MaxString:
				return nil, fault.InField(at, "is longer than %d characters", event.MaxString)
			case field == "properties" && slices.Contains(amend.Reserved, n):
				return nil, fault.InField(at, "%s cannot be erased alone: it is part of what an event is known by", n)
			}
		}
		slices.Sort(names)
	}
	e := &erasure{Properties: slices.Compact(b.Properties), Events: slices.Compact(b.Events), Suppress: b.Suppress, Scope: b.Scope}
	switch {
	case len(e.Properties) > 0 && len(e.Events) > 0:
		return nil, fault.New(fault.Invalid, "give properties or events, not both: make two requests")
	case e.Suppress && !e.whole():
		return nil, fault.InField("suppress", "goes with the erasure of whole persons")
	case e.Scope != "" && !e.person():
		return nil, fault.InField("scope", "must be %s, or absent", receipt.ScopePerson)
	}
	return e, nil
}

// create answers POST /v1/deletions.
func (s *server) create(ctx context.Context, caller *access.Call, w http.ResponseWriter, r *http.Request) error {
	var b body
	if err := web.ReadJSON(w, r, maxBody, &b); err != nil {
		return err
	}
	params, err := b.check()
	if err != nil {
		return err
	}
	key, err := request.IdempotencyKey(r)
	if err != nil {
		return err
	}
	made, err := s.ask(ctx, caller, request.New{Origin: request.API, IDs: b.DistinctIDs, Params: params, Whole: params.whole(), IdempotencyKey: key})
	if err != nil {
		return err
	}
	answer, err := newDeletion(made)
	if err != nil {
		return err
	}
	request.Accepted(w, "/v1/deletions/"+made.ID, answer)
	return nil
}

// ask makes the request and sees that it is worked on.
func (s *server) ask(ctx context.Context, caller *access.Call, n request.New) (*request.Request, error) {
	p, err := project.Get(ctx, s.db, caller.Project)
	if err != nil {
		return nil, err
	}
	n.Kind, n.Actor = request.Deletion, caller.KeyHash
	made, err := request.Create(ctx, s.db, p, n)
	if err != nil {
		return nil, err
	}
	caller.Object(made.ID)
	caller.AboutIDs(p.Secret, n.IDs)
	return made, s.pubs.Publish(ctx, made)
}
