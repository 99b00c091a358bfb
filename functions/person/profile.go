package person

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/profile"
	"github.com/lethe-analytics/lethe/shared/web"
)

// Profile is the answer to GET /v1/people/{distinct_id}.
type Profile struct {
	DistinctID string `json:"distinct_id"`
	// DistinctIDs are the first maxListed of the person, DistinctID among them. The rest
	// of the answer is of the person, not of one of them.
	DistinctIDs []string        `json:"distinct_ids"`
	Identities  int             `json:"identities"` // how many the person has in all
	FirstSeen   time.Time       `json:"first_seen"` // of the one that was seen first
	Profile     json.RawMessage `json:"profile"`    // an object
	NoRoom      *NoRoom         `json:"no_room,omitempty"`
	Consent     ConsentState    `json:"consent"`
	// Restriction is there while the person is restricted, for those who may know.
	Restriction *Restriction `json:"restriction,omitempty"`
	Links       []Link       `json:"links,omitempty"`
	Refused     []Refused    `json:"refused,omitempty"`
}

// ConsentState is the consent that is in force.
type ConsentState struct {
	State consent.State `json:"state"`
}

// NoRoom says that profile operations had no effect, since the profile was full.
type NoRoom struct {
	Operations int `json:"operations"`
	LimitBytes int `json:"limit_bytes"`
}

func (s *server) readProfile(ctx context.Context, p subject, r *http.Request) (any, error) {
	if err := web.ParseQuery(r).Err(); err != nil {
		return nil, err
	}
	doc := &p.Person.Doc
	a := Profile{
		DistinctID: p.Own.Doc.DistinctID,
		Profile:    json.RawMessage(cmp.Or(doc.Profile, "{}")),
		Consent:    ConsentState{cmp.Or(doc.Consent.State, consent.Unset)},
		Refused:    listRefused(p),
	}
	if !json.Valid(a.Profile) {
		return nil, errors.New("a stored profile is not JSON")
	}
	if doc.NoRoom > 0 {
		a.NoRoom = &NoRoom{Operations: doc.NoRoom, LimitBytes: profile.MaxBytes}
	}
	if restricted := newRestricted(doc.Restriction); restricted.Restricted {
		a.Restriction = &restricted.Restriction
	}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		a.Identities, err = person.Count(gctx, s.db, p.project, p.Person)
		return err
	})
	g.Go(func() error {
		found, err := s.survey(gctx, p)
		if err != nil {
			return err
		}
		a.DistinctIDs, a.FirstSeen, a.Links = found.distinctIDs, found.firstSeen, found.links
		return nil
	})
	return a, g.Wait()
}
