package erase

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/go-jose/go-jose/v4"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/receipt"
	"github.com/lethe-analytics/lethe/shared/request"
	"github.com/lethe-analytics/lethe/shared/web"
)

// Deletion is the answer about one deletion.
type Deletion struct {
	request.Answer
	Persons    int             `json:"persons"` // distinct_ids asked for
	Properties []string        `json:"properties,omitempty"`
	Events     []string        `json:"events,omitempty"`
	Suppress   bool            `json:"suppress,omitempty"`
	Scope      string          `json:"scope,omitempty"`   // as it was asked for
	Stores     *receipt.Stores `json:"stores,omitempty"`  // once it is done
	Receipt    string          `json:"receipt,omitempty"` // where it is, once it is done
}

// Deletions is the answer to GET /v1/deletions: the newest first.
type Deletions struct {
	Deletions  []*Deletion `json:"deletions"`
	NextCursor string      `json:"next_cursor,omitempty"` // absent at the end
}

// Keys are the public keys of receipts.
type Keys func() *jose.JSONWebKeySet

// stages in the words of an answer.
var stages = map[stage]string{
	stageFence: "identities", stageMembers: "identities", stageErase: "erasing", stageFold: "erasing", stageRequests: "erasing",
	stageLetters: "dead letters", stageVerify: "verifying", stageRecount: "verifying", stageReceipt: "receipt",
}

func newDeletion(r *request.Request) (*Deletion, error) {
	p, err := readParams(r)
	if err != nil {
		return nil, err
	}
	d := &Deletion{Answer: request.NewAnswer(r), Persons: r.Persons, Properties: p.Properties, Events: p.Events, Suppress: p.Suppress, Scope: p.Scope}
	if r.Status == request.Running {
		pos := progress{}
		if err := json.Unmarshal([]byte(r.Position), &pos); err != nil {
			return nil, fmt.Errorf("decode the position of a deletion: %w", err)
		}
		d.Progress = &request.Progress{Stage: stages[pos.Stage], Events: pos.Stores.Events.Deleted + pos.Stores.Events.Changed}
	}
	if r.Status == request.Done {
		d.Stores = &receipt.Stores{}
		if err := json.Unmarshal([]byte(r.Result), d.Stores); err != nil {
			return nil, fmt.Errorf("decode the result of a deletion: %w", err)
		}
		d.Receipt = "/v1/deletions/" + r.ID + "/receipt"
	}
	return d, nil
}

// get answers GET /v1/deletions/{id}.
func (s *server) get(ctx context.Context, caller *access.Call, w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseQuery(r).Err(); err != nil {
		return err
	}
	found, err := request.Get(ctx, s.db, caller.Project, r.PathValue("id"), request.Deletion)
	if err != nil {
		return err
	}
	d, err := newDeletion(found)
	if err != nil {
		return err
	}
	if err := request.ShowHints(ctx, s.db, caller, found, &d.Answer); err != nil {
		return err
	}
	web.WriteJSON(w, d)
	return nil
}

// cancel answers DELETE /v1/deletions/{id}.
func (s *server) cancel(ctx context.Context, caller *access.Call, w http.ResponseWriter, r *http.Request) error {
	cancelled, err := request.Cancel(ctx, s.db, caller.Project, r.PathValue("id"), request.Deletion)
	if err != nil {
		return err
	}
	return s.write(w, cancelled)
}

func (s *server) write(w http.ResponseWriter, r *request.Request) error {
	d, err := newDeletion(r)
	if err != nil {
		return err
	}
	web.WriteJSON(w, d)
	return nil
}

// list answers GET /v1/deletions.
func (s *server) list(ctx context.Context, caller *access.Call, w http.ResponseWriter, r *http.Request) error {
	status, cursor, err := request.ParseList(r)
	if err != nil {
		return err
	}
	page, next, err := request.List(ctx, s.db, caller.Project, request.Deletion, status, cursor)
	if err != nil {
		return err
	}
	a := Deletions{Deletions: []*Deletion{}, NextCursor: next}
	for _, r := range page {
		d, err := newDeletion(r)
		if err != nil {
			return err
		}
		a.Deletions = append(a.Deletions, d)
	}
	caller.Count(len(page))
	web.WriteJSON(w, a)
	return nil
}

// receipt answers GET /v1/deletions/{id}/receipt with the JWS.
func (s *server) receipt(ctx context.Context, caller *access.Call, w http.ResponseWriter, r *http.Request) error {
	found, err := request.Get(ctx, s.db, caller.Project, r.PathValue("id"), request.Deletion)
	if err != nil {
		return err
	}
	if found.Status != request.Done {
		return fault.New(fault.NotFound, "there is no receipt yet: the deletion is %s", found.Status)
	}
	jws, err := readReceipt(ctx, s.db, found)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/jose")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write([]byte(jws)) // a caller who has gone away cannot be told
	return nil
}

// jwks answers GET /.well-known/jwks.json: whoever has a receipt may check it.
func (s *server) jwks(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/jwk-set+json")
	w.Header().Set("Cache-Control", "no-store")
	if err := json.NewEncoder(w).Encode(s.keys()); err != nil {
		return fmt.Errorf("write the public keys: %w", err)
	}
	return nil
}
