package person

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/web"
)

// Limits of what is said about consent.
const (
	maxConsentBody       = 32 << 10
	defaultConsentsLimit = 20
	maxConsentsLimit     = 100
)

// fromAPI is the source of a consent that names none.
const fromAPI = "api"

// Consent is what the person has said; "unset" is nothing.
type Consent struct {
	State         consent.State            `json:"state"`
	Purposes      map[string]consent.State `json:"purposes,omitempty"`
	Basis         string                   `json:"basis,omitempty"`
	NoticeVersion string                   `json:"notice_version,omitempty"`
	Source        string                   `json:"source,omitempty"`
	At            time.Time                `json:"at,omitzero"`
	By            string                   `json:"by,omitempty"` // token, proof or key
}

func newConsent(c person.Consent) Consent {
	by := ""
	if c.State != "" {
		by = event.ParseSpeaker(c.By).String()
	}
	return Consent{
		State: cmp.Or(c.State, consent.Unset), Purposes: c.Purposes, Basis: c.Basis,
		NoticeVersion: c.NoticeVersion, Source: c.Source, At: c.At, By: by,
	}
}

// setConsent answers PUT /v1/people/{distinct_id}/consent, for a person whom the
// project has never seen as for any other: consent may be given before the first
// event, and the answer must not tell who exists.
func (s *server) setConsent(ctx context.Context, caller *access.Call, w http.ResponseWriter, r *http.Request) error {
	received := time.Now()
	if err := web.ParseQuery(r).Err(); err != nil {
		return err
	}
	key, err := s.identify(ctx, caller, "distinct_id", r.PathValue("distinct_id"))
	if err != nil {
		return err
	}
	var said person.Statement
	if err := web.ReadJSON(w, r, maxConsentBody, &said); err != nil {
		return err
	}
	said.Source = cmp.Or(said.Source, fromAPI)
	c, err := said.Consent(received)
	if err != nil {
		return err
	}
	c.By = event.ByKey.String()
	current, spread, err := person.SetConsent(ctx, s.databases, caller.Project, key, c)
	if err != nil {
		return err
	}
	if spread {
		if err := s.publishSpread(ctx, caller.Project, key); err != nil {
			return err
		}
	}
	web.WriteJSON(w, newConsent(current))
	return nil
}

// publishSpread starts the job that tells the edge database of the person's other
// identities (the store function's LinkWorker).
func (s *server) publishSpread(ctx context.Context, project string, key person.Key) error {
	return s.publishJob(ctx, project, "spread", key)
}

// publishJob gives the link worker a job about an identity.
func (s *server) publishJob(ctx context.Context, project, job string, key person.Key) error {
	data, err := json.Marshal(map[string]person.Key{job: key})
	if err != nil {
		return fmt.Errorf("write a job: %w", err)
	}
	return s.links.Publish(ctx, data, map[string]string{queue.AttrProject: project})
}
