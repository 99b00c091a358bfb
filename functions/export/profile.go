package export

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/profile"
)

// MaxDistinctIDs is how many distinct_ids profile.json lists. identities.json has all.
const MaxDistinctIDs = 200

// What a folder of the archive is about.
const (
	wholePerson = "person"
	oneIdentity = "identity" // an identity of a person who is not covered by the request
)

// Profile is profile.json: who the person is and what is known beside the events. Of an
// identity alone it holds nothing that is the person's: profile, consent, restriction.
type Profile struct {
	DistinctID  string         `json:"distinct_id"`             // as asked for
	Covers      string         `json:"covers"`                  // person or identity
	DistinctIDs []string       `json:"distinct_ids"`            // the first MaxDistinctIDs
	Identities  int            `json:"identities"`              // in identities.json, without provisional ones
	FirstSeen   time.Time      `json:"first_seen,omitzero"`     //
	Profile     map[string]any `json:"profile,omitzero"`        //
	Consent     *Consent       `json:"consent,omitempty"`       // absent: nothing was said
	Restriction *Restriction   `json:"restriction,omitempty"`   // processing is restricted
	ErasedAt    time.Time      `json:"last_erased_at,omitzero"` // of any identity
}

// Restriction says since when and why a person's data may only be kept.
type Restriction struct {
	Since  time.Time `json:"since"`
	Reason string    `json:"reason,omitempty"`
}

// writeProfile writes profile.json.
func (j *job) writeProfile(ctx context.Context) (done bool, err error) {
	_, id, err := j.readNamed(ctx)
	if err != nil {
		return false, err
	}
	who := j.pos.Subject
	p := Profile{DistinctID: id, Covers: oneIdentity, Identities: who.Identities, FirstSeen: who.FirstSeen, ErasedAt: who.ErasedAt}
	root, err := j.readBatch(ctx)
	if err != nil {
		return false, err
	}
	if who.Whole {
		p.Covers = wholePerson
		if err := j.describePerson(&p, &root[0].Own.Doc); err != nil {
			return false, err
		}
	}
	if p.DistinctIDs, err = j.listDistinctIDs(ctx); err != nil {
		return false, err
	}
	return true, j.addJSON("profile.json", p)
}

// describePerson puts in what stands once with the person.
func (j *job) describePerson(p *Profile, doc *person.Doc) error {
	values, err := profile.Parse(doc.Profile)
	if err != nil {
		return err
	}
	for name := range values {
		if !j.wantsProperty(name) {
			delete(values, name)
		}
	}
	if err := json.Unmarshal([]byte(values.JSON()), &p.Profile); err != nil {
		return fmt.Errorf("read a profile: %w", err)
	}
	if r := doc.Restriction; r != nil {
		p.Restriction = &Restriction{r.Since.UTC(), r.Reason}
	}
	if doc.Consent.State != "" {
		c := newConsent(&doc.Consent)
		p.Consent = &c
	}
	return nil
}

// wantsProperty reports whether a property is asked for.
func (j *job) wantsProperty(property string) bool {
	return len(j.params.Properties) == 0 || slices.Contains(j.params.Properties, property)
}

// listDistinctIDs lists the first distinct_ids.
func (j *job) listDistinctIDs(ctx context.Context) ([]string, error) {
	who := j.pos.Subject
	ids := []string{}
	for ; ; who.leaveBatch() {
		all, err := j.readBatch(ctx)
		if err != nil || len(all) == 0 {
			return ids, err
		}
		for _, s := range all {
			if len(ids) == MaxDistinctIDs {
				return ids, nil
			}
			if s.Within(who.Root) && s.Own.Doc.DistinctID != "" {
				ids = append(ids, s.Own.Doc.DistinctID)
			}
		}
	}
}
