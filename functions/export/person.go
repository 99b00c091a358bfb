package export

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/profile"
	"github.com/lethe-analytics/lethe/shared/request"
)

// person goes on with the person at hand, until its end, that of the segment or that
// of the time.
func (j *job) person(ctx context.Context) error {
	key, id, err := j.named(ctx)
	if err != nil {
		return err
	}
	if id == "" { // erased since, which voids the archive
		return voided()
	}
	if len(j.pos.Members) == 0 {
		if err := j.files(ctx, key, id); err != nil {
			return err
		}
	}
	for j.pos.Member < len(j.pos.Members) {
		done, err := j.events(ctx, j.pos.Members[j.pos.Member])
		if err != nil || !done {
			return err
		}
		j.pos.Member, j.pos.Day, j.pos.At = j.pos.Member+1, "", chunk.Place{}
	}
	j.pos.Person, j.pos.Members, j.pos.Member, j.pos.File = j.pos.Person+1, nil, 0, 0
	if j.pos.Next++; j.pos.Next == len(j.part.Keys) {
		j.pos.Part, j.pos.Next = j.pos.Part+1, 0
	}
	return nil
}

// named finds the person at hand in the parts.
func (j *job) named(ctx context.Context) (key person.Key, id string, err error) {
	if j.partN != j.pos.Part {
		if j.part, err = request.ReadPart(ctx, j.db, j.slice.Request, j.pos.Part); err != nil {
			return "", "", err
		}
		j.partN = j.pos.Part
	}
	return j.part.Keys[j.pos.Next], j.part.IDs[j.pos.Next], nil
}

// folder of the person at hand. It is a number: a distinct_id can hold anything.
func (j *job) folder() string { return fmt.Sprintf("person-%04d/", j.pos.Person+1) }

// Profile is profile.json: who the person is and what is known beside the events.
type Profile struct {
	DistinctID  string         `json:"distinct_id"`             // as asked for
	DistinctIDs []string       `json:"distinct_ids"`            // all of the person
	FirstSeen   time.Time      `json:"first_seen,omitzero"`     //
	Profile     map[string]any `json:"profile"`                 //
	Consent     *Consent       `json:"consent,omitempty"`       // absent: nothing was said
	Restriction *Restriction   `json:"restriction,omitempty"`   // processing is restricted
	ErasedAt    time.Time      `json:"last_erased_at,omitzero"` //
}

// Restriction says since when and why a person's data may only be kept.
type Restriction struct {
	Since  time.Time `json:"since"`
	Reason string    `json:"reason,omitempty"`
}

// members reads all who are one with the person at hand. The others are noted in the
// request before they are read: when one of them is erased, the archive is found by
// it, though an erasure before may have parted it from the person.
func (j *job) members(ctx context.Context, key person.Key) ([]person.Member, error) {
	get := func(refs []*firestore.DocumentRef) ([]*firestore.DocumentSnapshot, error) {
		return j.db.GetAll(ctx, refs)
	}
	noted := []person.Key{key}
	for {
		members, err := person.Cluster(get, j.db, j.project.ID, key)
		if err != nil {
			return nil, err
		}
		before := len(noted)
		for _, m := range members {
			if !slices.Contains(noted, m.Key) {
				noted = append(noted, m.Key)
			}
		}
		if len(noted) == before {
			return members, nil
		}
		if err := request.Cover(ctx, j.db, j.slice.Request, j.pos.Person, noted[1:]...); err != nil {
			return nil, err
		}
	}
}

// files writes the person's own files and notes who is one with it.
func (j *job) files(ctx context.Context, key person.Key, id string) error {
	members, err := j.members(ctx, key)
	if err != nil {
		return err
	}
	p := Profile{DistinctID: id, DistinctIDs: []string{}}
	values := profile.Profile{}
	var consents []Consent
	requests := map[string]Request{}
	j.pos.Members = nil
	for _, m := range members {
		j.pos.Members = append(j.pos.Members, m.Key)
		if m.Doc.DistinctID != "" {
			p.DistinctIDs = append(p.DistinctIDs, m.Doc.DistinctID)
			if p.FirstSeen.IsZero() || m.Doc.FirstSeen.Before(p.FirstSeen) {
				p.FirstSeen = m.Doc.FirstSeen.UTC()
			}
		}
		own, err := profile.Parse(m.Doc.Profile)
		if err != nil {
			return err
		}
		for name, v := range own { // the head's come first and stand
			if _, ok := values[name]; !ok && j.wants(name) {
				values[name] = v
			}
		}
		if r := m.Doc.Restriction; r != nil && p.Restriction == nil {
			p.Restriction = &Restriction{r.Since.UTC(), r.Reason}
		}
		if c := newConsent(m.Doc.Consent); c.State != "" && (p.Consent == nil || c.At.After(p.Consent.At)) {
			p.Consent = &c
		}
		if m.Doc.ErasedAt.After(p.ErasedAt) {
			p.ErasedAt = m.Doc.ErasedAt.UTC()
		}
		if consents, err = j.consents(ctx, m, consents); err != nil {
			return err
		}
		if err := j.history(ctx, m, requests); err != nil {
			return err
		}
	}
	if err := json.Unmarshal([]byte(values.JSON()), &p.Profile); err != nil {
		return fmt.Errorf("read a profile: %w", err)
	}
	if err := j.addJSON("profile.json", p); err != nil {
		return err
	}
	slices.SortFunc(consents, func(a, b Consent) int { return a.At.Compare(b.At) })
	if err := j.addJSON("consents.json", append([]Consent{}, consents...)); err != nil {
		return err
	}
	list := []Request{}
	for _, r := range requests {
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b Request) int { return a.CreatedAt.Compare(b.CreatedAt) })
	return j.addJSON("requests.json", list)
}

// wants reports whether a property is asked for.
func (j *job) wants(property string) bool {
	return len(j.params.Properties) == 0 || slices.Contains(j.params.Properties, property)
}

func (j *job) addJSON(name string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return j.seg.add(j.folder()+name, append(text, '\n'))
}

// Consent is one entry of consents.json, the oldest first.
type Consent struct {
	State         consent.State            `json:"state"`
	Purposes      map[string]consent.State `json:"purposes,omitempty"`
	Basis         string                   `json:"basis,omitempty"`
	NoticeVersion string                   `json:"notice_version,omitempty"`
	Source        string                   `json:"source,omitempty"`
	At            time.Time                `json:"at"`
}

func newConsent(c person.Consent) Consent {
	return Consent{c.State, c.Purposes, c.Basis, c.NoticeVersion, c.Source, c.At.UTC()}
}

const consentsPage = 200

func (j *job) consents(ctx context.Context, m person.Member, all []Consent) ([]Consent, error) {
	for cursor := ""; ; {
		page, next, err := person.Consents(ctx, j.db, j.project.ID, m.Key, cursor, consentsPage)
		if err != nil {
			return nil, err
		}
		for _, c := range page {
			if m.Doc.AfterFence(c.At) { // an erasure has not got to the others yet
				all = append(all, newConsent(c))
			}
		}
		if cursor = next; cursor == "" {
			return all, nil
		}
	}
}

// Request is one entry of requests.json, the oldest first.
type Request struct {
	ID         string          `json:"id"`
	Kind       request.Kind    `json:"kind"`
	Status     request.Status  `json:"status"`
	Origin     request.Origin  `json:"origin"`
	CreatedAt  time.Time       `json:"created_at"`
	FinishedAt time.Time       `json:"finished_at,omitzero"`
	Result     json.RawMessage `json:"result,omitempty"`
}

// history adds the requests that name a member.
func (j *job) history(ctx context.Context, m person.Member, all map[string]Request) error {
	found, err := request.Of(ctx, j.db, j.project.ID, m.Key)
	if err != nil {
		return err
	}
	for _, f := range found {
		if _, seen := all[f.Request]; seen {
			continue
		}
		r, err := request.Get(ctx, j.db, j.project.ID, f.Request, "")
		if err != nil {
			return err
		}
		all[r.ID] = Request{r.ID, r.Kind, r.Status, r.Origin, r.Created.UTC(), r.Finished.UTC(), json.RawMessage(r.Result)}
	}
	return nil
}
