package export

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/request"
	"github.com/lethe-analytics/lethe/shared/web"
)

// Limits of a request. A body holds 2,000 of the longest distinct_ids.
const (
	maxBody  = 4 << 20
	maxNames = 100
)

// Formats of the events.
const (
	NDJSON = "ndjson"
	JSON   = "json"
	CSV    = "csv"
)

// ScopePerson asks for the whole person also by an identity that stands for itself.
const ScopePerson = "person"

// body is what is asked for.
type body struct {
	DistinctIDs []string `json:"distinct_ids"`
	Scope       string   `json:"scope"`
	Properties  []string `json:"properties"`
	Events      []string `json:"events"`
	From        string   `json:"from"`
	To          string   `json:"to"`
	Format      string   `json:"format"`
}

// selection is the parameters of a request: what of the persons is asked for.
type selection struct {
	Scope      string   `json:"scope,omitempty"`      // ScopePerson, or empty
	Properties []string `json:"properties,omitempty"` // just these, of profile and events
	Events     []string `json:"events,omitempty"`     // names; none: all
	From       string   `json:"from,omitempty"`       // days, inclusive
	To         string   `json:"to,omitempty"`
	Format     string   `json:"format"`
}

func readParams(r *request.Request) (*selection, error) {
	s := &selection{}
	if err := json.Unmarshal([]byte(r.Params), s); err != nil {
		return nil, fmt.Errorf("decode the parameters of an export: %w", err)
	}
	return s, nil
}

// check makes the parameters, or says which field is wrong.
func (b *body) check() (*selection, error) {
	if err := request.CheckIDs("distinct_ids", b.DistinctIDs); err != nil {
		return nil, err
	}
	if b.Scope != "" && b.Scope != ScopePerson {
		return nil, fault.InField("scope", "must be person, or be absent")
	}
	for field, names := range map[string][]string{"properties": b.Properties, "events": b.Events} {
		if names != nil && len(names) == 0 {
			return nil, fault.InField(field, "must name at least one, or be absent")
		}
		if len(names) > maxNames {
			return nil, fault.InField(field, "has %d names; at most %d are taken", len(names), maxNames)
		}
		for i, n := range names {
			if n == "" || utf8.RuneCountInString(n) > event.MaxString {
				return nil, fault.InField(fmt.Sprintf("%s[%d]", field, i), "must be 1 to %d characters", event.MaxString)
			}
		}
		slices.Sort(names)
	}
	for field, day := range map[string]string{"from": b.From, "to": b.To} {
		if _, err := time.Parse(time.DateOnly, day); day != "" && err != nil {
			return nil, fault.InField(field, "must be a date like 2026-01-31")
		}
	}
	if b.From != "" && b.To != "" && b.From > b.To {
		return nil, fault.InField("from", "is after to")
	}
	if b.Format == "" {
		b.Format = NDJSON
	}
	if !slices.Contains([]string{NDJSON, JSON, CSV}, b.Format) {
		return nil, fault.InField("format", "must be ndjson, json or csv")
	}
	return &selection{Scope: b.Scope, Properties: slices.Compact(b.Properties), Events: slices.Compact(b.Events), From: b.From, To: b.To, Format: b.Format}, nil
}

// create answers POST /v1/exports.
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
	made, err := s.ask(ctx, caller, request.New{Origin: request.API, IDs: b.DistinctIDs, Params: params, IdempotencyKey: key})
	if err != nil {
		return err
	}
	answer, err := s.newExport(ctx, caller, made)
	if err != nil {
		return err
	}
	request.Accepted(w, "/v1/exports/"+made.ID, answer)
	return nil
}

// ask makes the request and sees that it is worked on.
func (s *server) ask(ctx context.Context, caller *access.Call, n request.New) (*request.Request, error) {
	p, err := project.Get(ctx, s.db, caller.Project)
	if err != nil {
		return nil, err
	}
	n.Kind, n.Actor = request.Export, caller.KeyHash
	made, err := request.Create(ctx, s.db, p, n)
	if err != nil {
		return nil, err
	}
	caller.Object(made.ID)
	caller.AboutIDs(p.Secret, n.IDs)
	return made, s.pubs.Publish(ctx, made)
}
