package erase

import (
	"context"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/receipt"
	"github.com/lethe-analytics/lethe/shared/web"
)

// Limits of a preview: identities of each kind that are listed of one person, and of all
// together.
const (
	previewMost = 1000
	previewAll  = 10_000
)

// Preview is the answer to POST /v1/deletions/preview.
type Preview struct {
	Persons []*PreviewPerson `json:"persons"` // as they were named, in that order
}

// PreviewPerson is what a deletion, or an export, of one distinct_id would cover.
type PreviewPerson struct {
	DistinctID string     `json:"distinct_id"`
	Found      bool       `json:"found"` // something is known of it
	Identity   person.Key `json:"identity"`
	Person     person.Key `json:"person"` // whose it is: where its links lead
	Scope      string     `json:"scope"`  // receipt.ScopePerson, receipt.ScopeIdentity
	// Link is who has said whose it is; it may be provisional, and then counts for nothing.
	Link            *PreviewLink      `json:"link,omitempty"`
	Identities      []PreviewIdentity `json:"identities"` // covered: the first of them
	More            int               `json:"more"`       // covered, and not listed
	Provisional     []PreviewIdentity `json:"provisional"`
	MoreProvisional int               `json:"more_provisional"`
}

// PreviewIdentity is one identity.
type PreviewIdentity struct {
	Identity   person.Key   `json:"identity"`
	DistinctID string       `json:"distinct_id,omitempty"` // where it is known
	Link       *PreviewLink `json:"link,omitempty"`
}

// PreviewLink says who has made an identity somebody's.
type PreviewLink struct {
	To           person.Key `json:"to"`
	ToDistinctID string     `json:"to_distinct_id,omitempty"` // of the link of who is named
	By           string     `json:"by"`                       // token, proof or key
	Actor        string     `json:"actor,omitempty"`          // the first characters of the key's hash
	Event        string     `json:"event,omitempty"`
	Received     time.Time  `json:"received"`
	Provisional  bool       `json:"provisional,omitempty"`
}

// preview answers POST /v1/deletions/preview: whom a request would cover, so that a link
// that is wrong can be taken back before, and one that is missing be made.
func (s *server) preview(ctx context.Context, caller *access.Call, w http.ResponseWriter, r *http.Request) error {
	var b body
	if err := web.ReadJSON(w, r, maxBody, &b); err != nil {
		return err
	}
	params, err := b.check()
	if err != nil {
		return err
	}
	p, err := project.Get(ctx, s.db, caller.Project)
	if err != nil {
		return err
	}
	a := Preview{Persons: make([]*PreviewPerson, len(b.DistinctIDs))}
	work, wctx := errgroup.WithContext(ctx)
	work.SetLimit(parallel)
	for i, id := range b.DistinctIDs {
		work.Go(func() (err error) {
			v := previewer{s, p, params.person(), min(previewMost, max(previewAll/len(b.DistinctIDs), 1))}
			a.Persons[i], err = v.person(wctx, id)
			return err
		})
	}
	if err := work.Wait(); err != nil {
		return err
	}
	caller.AboutIDs(p.Secret, b.DistinctIDs)
	n := 0
	for _, p := range a.Persons {
		n += len(p.Identities) + len(p.Provisional)
	}
	caller.Count(n)
	web.WriteJSON(w, a)
	return nil
}

// previewer looks up whom a request would cover.
type previewer struct {
	*server
	project project.Project
	asked   bool // the person was asked for
	most    int
}

func (v *previewer) person(ctx context.Context, id string) (*PreviewPerson, error) {
	s, err := person.Find(person.Reader(ctx, v.db), v.db, v.project.ID, person.MakeKey(v.project.Secret, id))
	if err != nil {
		return nil, err
	}
	p := &PreviewPerson{DistinctID: id, Found: s.Own.Doc.DistinctID != "", Identity: s.Own.Key, Person: s.Person.Key,
		Scope: receipt.ScopeIdentity, Link: newPreviewLink(s.Own.Doc.Link), Identities: []PreviewIdentity{}, Provisional: []PreviewIdentity{}}
	if p.Link != nil {
		to, err := person.Find(person.Reader(ctx, v.db), v.db, v.project.ID, p.Link.To)
		if err != nil {
			return nil, err
		}
		p.Link.ToDistinctID = to.Own.Doc.DistinctID
	}
	if !s.CoversPerson(v.asked) {
		p.Identities = append(p.Identities, newPreviewIdentity(&s.Own))
		return p, nil
	}
	p.Scope = receipt.ScopePerson
	return p, v.identities(ctx, p, s.Person)
}

// identities lists those of a person.
func (v *previewer) identities(ctx context.Context, p *PreviewPerson, of person.Member) error {
	for m, err := range person.Members(ctx, v.db, v.project.ID, of, false) {
		if err != nil {
			return err
		}
		if len(p.Identities) == v.most {
			all, err := person.Count(ctx, v.db, v.project.ID, of)
			p.More = max(all-v.most, 0)
			return err
		}
		p.Identities = append(p.Identities, newPreviewIdentity(&m))
		if !m.Doc.Joined {
			continue
		}
		page, all, err := person.ReadProvisional(ctx, v.db, v.project.ID, m.Key, v.most)
		if err != nil {
			return err
		}
		page = page[:min(len(page), v.most-len(p.Provisional))]
		p.MoreProvisional += all - len(page)
		for i := range page {
			p.Provisional = append(p.Provisional, newPreviewIdentity(&page[i]))
		}
	}
	return nil
}

func newPreviewIdentity(m *person.Member) PreviewIdentity {
	return PreviewIdentity{Identity: m.Key, DistinctID: m.Doc.DistinctID, Link: newPreviewLink(m.Doc.Link)}
}

// actorLength is how much of a key's hash is told.
const actorLength = 12

// newPreviewLink is nil if there is no link, or a key has said that there is none.
func newPreviewLink(l *person.Link) *PreviewLink {
	if l == nil || l.To == "" {
		return nil
	}
	return &PreviewLink{To: l.To, By: event.ParseSpeaker(l.By).String(), Actor: l.Actor[:min(len(l.Actor), actorLength)],
		Event: l.Event, Received: l.Received.UTC(), Provisional: l.Provisional}
}
