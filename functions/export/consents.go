package export

import (
	"context"
	"slices"
	"time"

	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/person"
)

// Consent is one entry of consents.json, the oldest first.
type Consent struct {
	State         consent.State            `json:"state"`
	Purposes      map[string]consent.State `json:"purposes,omitempty"`
	Basis         string                   `json:"basis,omitempty"`
	NoticeVersion string                   `json:"notice_version,omitempty"`
	Source        string                   `json:"source,omitempty"`
	At            time.Time                `json:"at"`
	By            string                   `json:"by,omitempty"`          // token, proof or key
	DistinctID    string                   `json:"distinct_id,omitempty"` // under which it was said
}

func newConsent(c *person.Consent) Consent {
	return Consent{State: c.State, Purposes: c.Purposes, Basis: c.Basis, NoticeVersion: c.NoticeVersion, Source: c.Source, At: c.At.UTC(), By: c.By}
}

const (
	consentsPage = 200
	// consentsMost is how many statements are held in memory to be sorted: the file of
	// one who has said more goes on in another.
	consentsMost = 5000
)

// writeConsents writes consents.json: what was said under all identities.
func (j *job) writeConsents(ctx context.Context) (done bool, err error) {
	f := &arrayFile{job: j, name: "consents"}
	var said []Consent
	done, err = j.eachIdentity(ctx, func(ctx context.Context, s *person.Standing) (bool, error) {
		who := j.pos.Subject
		for s.Own.Doc.Spoke {
			page, next, err := person.Consents(ctx, j.db, j.project.ID, s.Own.Key, who.Cursor, consentsPage)
			if err != nil {
				return false, err
			}
			for i := range page {
				if s.Own.Doc.AfterFence(page[i].At) { // an erasure has not got to the others yet
					c := newConsent(&page[i])
					c.DistinctID = s.Own.Doc.DistinctID
					said = append(said, c)
				}
			}
			if len(said) >= consentsMost {
				if err := writeSorted(f, said); err != nil {
					return false, err
				}
				said = nil
			}
			if who.Cursor = next; next == "" {
				break
			}
			if j.isFull() {
				return false, nil
			}
		}
		return true, nil
	})
	if err == nil {
		err = writeSorted(f, said)
	}
	if err != nil {
		return false, err
	}
	return done, f.end(done)
}

// writeSorted writes statements into a file of their own.
func writeSorted(f *arrayFile, said []Consent) error {
	slices.SortStableFunc(said, func(a, b Consent) int { return a.At.Compare(b.At) })
	for i := range said {
		if err := f.add(said[i]); err != nil {
			return err
		}
	}
	return f.end(false)
}
