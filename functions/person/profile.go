package person

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/web"
)

// Profile is the answer to GET /v1/people/{distinct_id}.
type Profile struct {
	DistinctID string          `json:"distinct_id"`
	FirstSeen  time.Time       `json:"first_seen"`
	Profile    json.RawMessage `json:"profile"` // an object
	Consent    Consent         `json:"consent"`
}

// Consent is what the person has said; "unset" is nothing.
type Consent struct {
	State consent.State `json:"state"`
}

func (s *server) profile(_ context.Context, p subject, r *http.Request) (any, error) {
	if err := web.ParseQuery(r).Err(); err != nil {
		return nil, err
	}
	a := Profile{
		DistinctID: p.doc.DistinctID, FirstSeen: p.doc.FirstSeen.UTC(),
		Profile: json.RawMessage(cmp.Or(p.doc.Profile, "{}")),
		Consent: Consent{cmp.Or(p.doc.Consent.State, consent.Unset)},
	}
	if !json.Valid(a.Profile) {
		return nil, errors.New("a stored profile is not JSON")
	}
	return a, nil
}
