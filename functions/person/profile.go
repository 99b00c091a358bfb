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
	DistinctID string `json:"distinct_id"`
	// DistinctIDs are all that are this person, DistinctID among them. The rest of
	// the answer is of the person, not of one of them.
	DistinctIDs []string        `json:"distinct_ids"`
	FirstSeen   time.Time       `json:"first_seen"`
	Profile     json.RawMessage `json:"profile"` // an object
	Consent     Consent         `json:"consent"` // its state alone
	// Restriction is there while the person is restricted, for those who may know.
	Restriction *Restriction `json:"restriction,omitempty"`
}

func (s *server) profile(_ context.Context, p subject, r *http.Request) (any, error) {
	if err := web.ParseQuery(r).Err(); err != nil {
		return nil, err
	}
	merged, err := p.profile()
	if err != nil {
		return nil, err
	}
	a := Profile{
		DistinctID: p.doc.DistinctID, DistinctIDs: p.distinctIDs(), FirstSeen: p.firstSeen(),
		Profile: json.RawMessage(merged),
		Consent: Consent{State: cmp.Or(p.doc.Consent.State, consent.Unset)},
	}
	if restricted := newRestricted(p.doc.Restriction); restricted.Restricted {
		a.Restriction = &restricted.Restriction
	}
	if !json.Valid(a.Profile) {
		return nil, errors.New("a stored profile is not JSON")
	}
	return a, nil
}
