package person

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/profile"
	"github.com/lethe-analytics/lethe/shared/request"
	"github.com/lethe-analytics/lethe/shared/web"
)

// Rectification is the answer about one rectification. It tells who changed which
// properties, when and why, and neither the old values nor the new ones.
type Rectification struct {
	request.Answer
	Reason     string               `json:"reason"` // empty once the person has been erased
	Properties RectifiedNames       `json:"properties"`
	Scope      string               `json:"scope,omitempty"`  // as it was asked for
	Counts     *RectificationCounts `json:"counts,omitempty"` // once it is done
}

// RectifiedNames are the names of the properties that were given new values.
type RectifiedNames struct {
	Profile []string `json:"profile,omitempty"`
	Events  []string `json:"events,omitempty"`
}

// RectificationCounts says what was found and changed. A person who is not there
// has zeros.
type RectificationCounts struct {
	Persons int            `json:"persons"` // distinct_ids that the rectification covers
	Profile profile.Counts `json:"profile"`
	Events  chunk.Counts   `json:"events"`
}

// Rectifications is the answer to GET /v1/rectifications: the newest first.
type Rectifications struct {
	Rectifications []*Rectification `json:"rectifications"`
	NextCursor     string           `json:"next_cursor,omitempty"` // absent at the end
}

func newRectification(r *request.Request) (*Rectification, error) {
	p, err := readParams(r)
	if err != nil {
		return nil, err
	}
	a := &Rectification{Answer: request.NewAnswer(r), Reason: r.Reason, Scope: p.Scope,
		Properties: RectifiedNames{Profile: p.ProfileNames, Events: p.EventNames}}
	if r.Result != "" {
		a.Counts = &RectificationCounts{}
		if err := json.Unmarshal([]byte(r.Result), a.Counts); err != nil {
			return nil, fmt.Errorf("decode the result of a rectification: %w", err)
		}
	}
	return a, nil
}

// rectification answers GET /v1/rectifications/{id}.
func (s *server) rectification(ctx context.Context, caller *access.Call, w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseQuery(r).Err(); err != nil {
		return err
	}
	found, err := request.Get(ctx, s.db, caller.Project, r.PathValue("id"), request.Rectification)
	if err != nil {
		return err
	}
	a, err := newRectification(found)
	if err != nil {
		return err
	}
	web.WriteJSON(w, a)
	return nil
}

// listRectifications answers GET /v1/rectifications.
func (s *server) listRectifications(ctx context.Context, caller *access.Call, w http.ResponseWriter, r *http.Request) error {
	status, cursor, err := request.ParseList(r)
	if err != nil {
		return err
	}
	page, next, err := request.List(ctx, s.db, caller.Project, request.Rectification, status, cursor)
	if err != nil {
		return err
	}
	a := Rectifications{Rectifications: []*Rectification{}, NextCursor: next}
	for _, r := range page {
		one, err := newRectification(r)
		if err != nil {
			return err
		}
		a.Rectifications = append(a.Rectifications, one)
	}
	caller.Count(len(page))
	web.WriteJSON(w, a)
	return nil
}
