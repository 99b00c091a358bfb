package person

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/amend"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/request"
	"github.com/lethe-analytics/lethe/shared/web"
	"github.com/lethe-analytics/lethe/shared/where"
)

// Limits of a rectification.
const (
	maxRectifyBody  = 256 << 10
	maxRectifyItems = 20
	maxReason       = 500 // characters
)

// rectifyBody is the body of POST /v1/rectifications.
type rectifyBody struct {
	DistinctID string         `json:"distinct_id"`
	Profile    jsontext.Value `json:"profile"`
	Events     []struct {
		Where *string        `json:"where"`
		Set   jsontext.Value `json:"set"`
	} `json:"events"`
	Reason string `json:"reason"`
	Scope  string `json:"scope"`
}

// scopePerson asks for all of the person, where the distinct_id is of a device alone.
const scopePerson = "person"

// rectification is the parameters of a request.
type rectification struct {
	ProfileNames []string `json:"profile_names,omitempty"`
	EventNames   []string `json:"event_names,omitempty"`
	Scope        string   `json:"scope,omitempty"`
	values       `json:"-"`
}

// values are the new values and the conditions. They stand in the request's private
// parameters, until they have been taken over or the person is erased.
type values struct {
	Profile string        `json:"profile,omitempty"` // object: names and new values
	Events  []eventChange `json:"events,omitempty"`
}

// eventChange sets properties of the events that a condition holds for.
type eventChange struct {
	Where string `json:"where,omitempty"` // empty: all
	Set   string `json:"set"`
}

// amendments are what the parameters come to on a person's document.
func (p *rectification) amendments() []amend.Amendment {
	var all []amend.Amendment
	if p.Profile != "" {
		all = append(all, amend.Amendment{Profile: p.ProfileNames})
	}
	for _, e := range p.Events {
		all = append(all, amend.Amendment{Where: e.Where, Set: e.Set})
	}
	return all
}

// rectify answers POST /v1/rectifications.
func (s *server) rectify(ctx context.Context, caller *access.Call, w http.ResponseWriter, r *http.Request) error {
	var body rectifyBody
	if err := web.ReadJSON(w, r, maxRectifyBody, &body); err != nil {
		return err
	}
	params, err := body.check()
	if err != nil {
		return err
	}
	idempotency, err := request.IdempotencyKey(r)
	if err != nil {
		return err
	}
	secret, err := s.secret(ctx, caller.Project)
	if err != nil {
		return err
	}
	made, err := request.Create(ctx, s.db, project.Project{ID: caller.Project, Secret: secret}, request.New{
		Kind: request.Rectification, Origin: request.API, Actor: caller.KeyHash,
		IDs: []string{body.DistinctID}, Params: params, Private: params.values, Reason: body.Reason, IdempotencyKey: idempotency,
	})
	if err != nil {
		return err
	}
	caller.Object(made.ID)
	caller.AboutIDs(secret, []string{body.DistinctID})
	if err := s.rectifications.Publish(ctx, made); err != nil {
		return err
	}
	answer, err := newRectification(made)
	if err != nil {
		return err
	}
	request.Accepted(w, "/v1/rectifications/"+made.ID, answer)
	return nil
}

// check makes the parameters, or says which field is wrong.
func (b *rectifyBody) check() (*rectification, error) {
	b.Reason = strings.TrimSpace(b.Reason)
	switch {
	case b.DistinctID == "":
		return nil, fault.InField("distinct_id", "is required")
	case utf8.RuneCountInString(b.DistinctID) > event.MaxString:
		return nil, fault.InField("distinct_id", "is longer than %d characters", event.MaxString)
	case b.Reason == "":
		return nil, fault.InField("reason", "is required")
	case utf8.RuneCountInString(b.Reason) > maxReason:
		return nil, fault.InField("reason", "is longer than %d characters", maxReason)
	case b.Scope != "" && b.Scope != scopePerson:
		return nil, fault.InField("scope", "must be %s, or absent", scopePerson)
	case len(b.Profile) == 0 && len(b.Events) == 0:
		return nil, fault.New(fault.Invalid, "name what to change: profile, events or both")
	case len(b.Events) > maxRectifyItems:
		return nil, fault.InField("events", "has %d items; at most %d are taken", len(b.Events), maxRectifyItems)
	}
	p := &rectification{Scope: b.Scope}
	var err error
	if len(b.Profile) > 0 {
		if p.Profile, p.ProfileNames, err = amend.CheckValues("profile", string(b.Profile)); err != nil {
			return nil, err
		}
	}
	for i, e := range b.Events {
		field := fmt.Sprintf("events[%d].", i)
		if len(e.Set) == 0 {
			return nil, fault.InField(field+"set", "is required")
		}
		set, names, err := amend.CheckSet(field+"set", string(e.Set))
		if err != nil {
			return nil, err
		}
		change := eventChange{Set: set}
		if e.Where != nil {
			change.Where = *e.Where
			if _, err := where.Parse(change.Where); err != nil {
				return nil, inField(field, err)
			}
		}
		p.Events = append(p.Events, change)
		p.EventNames = append(p.EventNames, names...)
	}
	slices.Sort(p.EventNames)
	p.EventNames = slices.Compact(p.EventNames)
	if amend.Check(p.amendments()) != nil {
		return nil, fault.New(fault.Invalid, "the changes are too large: at most %d bytes of names, conditions and values, of which %d are new values for events",
			amend.MaxText, amend.MaxSet)
	}
	return p, nil
}

// inField puts a fault of a condition into the field that the condition is in.
func inField(prefix string, err error) error {
	var f *fault.Error
	if !errors.As(err, &f) {
		return err
	}
	moved := *f
	moved.Detail = prefix + f.Detail
	moved.Fields = slices.Clone(f.Fields)
	for i := range moved.Fields {
		moved.Fields[i].Name = prefix + moved.Fields[i].Name
	}
	return &moved
}

// readParams reads a request's parameters.
func readParams(r *request.Request) (*rectification, error) {
	p := &rectification{}
	if err := json.Unmarshal([]byte(r.Params), p); err != nil {
		return nil, fmt.Errorf("decode the parameters of a rectification: %w", err)
	}
	if r.Private == "" {
		return p, nil
	}
	if err := json.Unmarshal([]byte(r.Private), &p.values); err != nil {
		return nil, fmt.Errorf("decode the new values of a rectification: %w", err)
	}
	return p, nil
}
