package admin

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/web"
)

// Agreement is the answer of /v1/project/dpa.
type Agreement struct {
	Current  *project.DPA  `json:"current"`  // in effect; null: none is
	Upcoming []project.DPA `json:"upcoming"` // not in effect yet; can be accepted already
	DPAState `json:"state"`
	History  []Acceptance `json:"history"` // the newest first
}

// Acceptance is a version that the project has accepted.
type Acceptance struct {
	Version    string    `json:"version"`
	TextSHA256 string    `json:"text_sha256"`
	AcceptedBy Signer    `json:"accepted_by"`
	AcceptedAt time.Time `json:"accepted_at"`
	By         string    `json:"by"`
}

// Signer is the person who signs for the controller.
type Signer struct {
	Name string `json:"name"`
	Role string `json:"role"`
}

func newDPAState(a project.Accepted, all []project.DPA, now time.Time) DPAState {
	state := DPAState{Accepted: a.Version, InForce: a.Holds(all, now)}
	if until, ok := a.Until(all); ok {
		state.Until = until.UTC()
	}
	if i := project.CurrentDPA(all, now); i >= 0 {
		state.Current = all[i].Version
	}
	return state
}

// getDPA answers GET /v1/project/dpa.
func (s *server) getDPA(ctx context.Context, c *access.Call, w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseQuery(r).Err(); err != nil {
		return err
	}
	return s.answerDPA(ctx, c, w)
}

func (s *server) answerDPA(ctx context.Context, c *access.Call, w http.ResponseWriter) error {
	p, err := project.Get(ctx, s.DB, c.Project)
	if err != nil {
		return err
	}
	all, err := project.DPAs(ctx, s.DB)
	if err != nil {
		return err
	}
	signed, err := project.Signatures(ctx, s.DB, c.Project)
	if err != nil {
		return err
	}
	now := time.Now()
	a := Agreement{Upcoming: []project.DPA{}, DPAState: newDPAState(p.DPA, all, now), History: make([]Acceptance, len(signed))}
	i := project.CurrentDPA(all, now)
	if i >= 0 {
		a.Current = &all[i]
	}
	a.Upcoming = append(a.Upcoming, all[i+1:]...)
	for i, s := range signed {
		a.History[i] = Acceptance{s.Version, s.TextSHA256, Signer{s.Name, s.Role}, s.At.UTC(), s.By[:min(len(s.By), byLength)]}
	}
	web.WriteJSON(w, a)
	return nil
}

// publishDPA answers POST /v1/dpa: a version that every project has to accept from the
// time on that it takes effect. The same again changes nothing.
func (s *server) publishDPA(ctx context.Context, _ *access.Call, w http.ResponseWriter, r *http.Request) error {
	var d project.DPA
	if err := readBody(w, r, &d); err != nil {
		return err
	}
	if u, err := url.Parse(d.URL); err != nil || u.Scheme != "https" || u.Host == "" || len(d.URL) > maxURL {
		return fault.InField("url", "must be an https address of at most %d characters", maxURL)
	}
	if d.EffectiveAt.Before(web.MinDate) {
		return fault.InField("effective_at", "must be a time, as 2027-01-01T00:00:00Z")
	}
	if err := project.PublishDPA(ctx, s.databases(), d); err != nil {
		return err
	}
	d.EffectiveAt = d.EffectiveAt.UTC()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	web.WriteJSON(w, d)
	return nil
}

// maxURL is how long the address of an agreement may be.
const maxURL = 2000

// acceptDPA answers POST /v1/project/dpa. Accepting the same again changes nothing.
func (s *server) acceptDPA(ctx context.Context, c *access.Call, w http.ResponseWriter, r *http.Request) error {
	var b struct {
		Version    string `json:"version"`
		AcceptedBy Signer `json:"accepted_by"`
	}
	if err := readBody(w, r, &b); err != nil {
		return err
	}
	for field, text := range map[string]string{"accepted_by.name": b.AcceptedBy.Name, "accepted_by.role": b.AcceptedBy.Role} {
		if why := project.CheckName(text); why != "" {
			return fault.InField(field, "%s", why)
		}
	}
	sign := project.Signature{Version: b.Version, Name: b.AcceptedBy.Name, Role: b.AcceptedBy.Role, By: c.KeyHash}
	if err := project.AcceptDPA(ctx, s.databases(), c.Project, sign); err != nil {
		return err
	}
	return s.answerDPA(ctx, c, w)
}
