package ingest

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/identity"
)

// account is the service account by whose secret a request to /track or /engage is sent,
// as HTTP Basic; nil: the items' tokens are all there is.
func (s *server) account(r *http.Request) (*target, error) {
	user, secret, _ := r.BasicAuth()
	if secret == "" {
		return nil, nil
	}
	t, err := s.intake.target(r.Context(), secret)
	if err != nil {
		return nil, err
	}
	if project := r.URL.Query().Get("project_id"); t == nil || t.user == "" || t.user != user || project != "" && project != t.project {
		noteRefused(r, secret)
		return nil, fault.New(fault.Unauthorized, "the service account is unknown")
	}
	return t, nil
}

// importTarget authenticates /import by HTTP Basic: the token as user name, or a
// service account with the project it means. The token may also stand in the
// query as api_key, the only way of mixpanel (node) over plain HTTP.
func (s *server) importTarget(r *http.Request) (*target, error) {
	refused := fault.New(fault.Unauthorized, "send the project token as HTTP Basic user name, or a service account with project_id")
	user, password, ok := r.BasicAuth()
	if !ok {
		user = r.URL.Query().Get("api_key")
	}
	secret := user
	if password != "" {
		secret = password
	}
	t, err := s.intake.target(r.Context(), secret)
	if err != nil {
		return nil, err
	}
	if t == nil || (t.user != "") != (password != "") {
		noteRefused(r, secret)
		return nil, refused
	}
	if t.user != "" && (t.user != user || r.URL.Query().Get("project_id") != t.project) {
		return nil, refused
	}
	return t, nil
}

// speaker is by what right something is said of an identity that is named beside a proof.
// A proof that proves nothing is a Forbidden fault; where the project has no secret there
// is nothing to be proven.
func (t *target) speaker(ctx context.Context, distinctID, proof string, now time.Time) (event.Speaker, error) {
	secrets := t.Working(now)
	if proof == "" || len(secrets) == 0 {
		return event.ByToken, nil
	}
	if !identity.IsProven(secrets, distinctID, proof, now) {
		t.logProofs(ctx, 1)
		return event.ByToken, fault.New(fault.Forbidden, "the proof is not of this distinct_id, or has expired")
	}
	return event.ByProof, nil
}

// attribute notes of each of the chosen events and operations by what right it is said. A
// proof that proves nothing leaves it the token's.
func (t *target) attribute(ctx context.Context, p *event.Parsed, chosen func(int) bool, now time.Time) {
	secrets := t.Working(now)
	var last struct {
		id, proof string
		proven    bool
	}
	wrong := 0
	for i := range p.Tokens {
		if !chosen(i) {
			continue
		}
		id, by := ownerOf(p, i)
		switch proof := p.Proof(i); {
		case t.user != "":
			*by = event.ByKey
		case proof == "" || len(secrets) == 0:
		default:
			if id != last.id || proof != last.proof { // an SDK sends the same with each event
				last.id, last.proof, last.proven = id, proof, identity.IsProven(secrets, id, proof, now)
			}
			if last.proven {
				*by = event.ByProof
			} else {
				wrong++
			}
		}
	}
	if wrong > 0 {
		t.logProofs(ctx, wrong)
	}
}

// ownerOf is the identity of an event or operation, and where its speaker stands.
func ownerOf(p *event.Parsed, i int) (distinctID string, by *event.Speaker) {
	if i < len(p.Events) {
		return p.Events[i].DistinctID, &p.Events[i].Speaker
	}
	return p.Ops[i].DistinctID, &p.Ops[i].Speaker
}

// logProofs counts proofs that prove nothing, for a log-based metric; it says nothing of
// who.
func (t *target) logProofs(ctx context.Context, n int) {
	slog.WarnContext(ctx, "identity proofs refused", "project", t.project, "count", n)
}
