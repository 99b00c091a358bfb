package export

import (
	"context"
	"time"

	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/request"
)

// Identity is one entry of identities.json: an identity of the person, or one of which
// somebody has said that it is the person's, and nobody has confirmed it.
type Identity struct {
	Identity   person.Key `json:"identity"`              // its key, by which events name it where the distinct_id is not shown
	DistinctID string     `json:"distinct_id,omitempty"` // absent: not known, or not confirmed
	FirstSeen  time.Time  `json:"first_seen,omitzero"`
	Link       *Link      `json:"link,omitempty"` // absent: nobody has linked it
}

// Link says whose an identity is, and who has said so.
type Link struct {
	To          string    `json:"to,omitempty"`          // distinct_id
	Provisional bool      `json:"provisional,omitempty"` // not confirmed: nothing of the identity is in the archive
	By          string    `json:"by"`                    // token, proof or key
	Event       string    `json:"event,omitempty"`       // absent: an API key has said it
	Received    time.Time `json:"received"`
}

// writeIdentities writes identities.json and lists the identities on the way: those that
// are linked to one are noted, and so come to the end of the list.
func (j *job) writeIdentities(ctx context.Context) (done bool, err error) {
	f := &arrayFile{job: j, name: "identities"}
	done, err = j.eachIdentity(ctx, func(ctx context.Context, s *person.Standing) (bool, error) {
		if j.pos.Subject.Cursor == "" {
			if err := j.writeIdentity(ctx, f, s); err != nil {
				return false, err
			}
		}
		if !j.pos.Subject.Whole || !s.Own.Doc.Joined {
			return true, nil
		}
		return j.findLinked(ctx, f, &s.Own)
	})
	if err != nil {
		return false, err
	}
	if err := j.noteFound(ctx); err != nil { // the position is behind them
		return false, err
	}
	return done, f.end(done)
}

// writeIdentity writes the entry of one that is the person's.
func (j *job) writeIdentity(ctx context.Context, f *arrayFile, s *person.Standing) error {
	doc, who := &s.Own.Doc, j.pos.Subject
	if doc.ErasedAt.After(who.ErasedAt) {
		who.ErasedAt = doc.ErasedAt.UTC()
	}
	if !s.Own.Exists() {
		return nil
	}
	who.Identities++
	i := Identity{Identity: s.Own.Key, DistinctID: doc.DistinctID, FirstSeen: doc.FirstSeen.UTC()}
	if doc.DistinctID != "" && (who.FirstSeen.IsZero() || doc.FirstSeen.Before(who.FirstSeen)) {
		who.FirstSeen = doc.FirstSeen.UTC()
	}
	if doc.Parent() != "" {
		to := ""
		if who.Whole {
			var err error
			if to, err = j.idOf(ctx, doc.Link.To); err != nil {
				return err
			}
		}
		i.Link = newLink(doc.Link, to)
	}
	return f.add(i)
}

func newLink(l *person.Link, to string) *Link {
	return &Link{To: to, Provisional: l.Provisional, By: l.By, Event: l.Event, Received: l.Received.UTC()}
}

// linkedPage is how many links are read at a time.
const linkedPage = 300

// findLinked finds who is linked to an identity, from the cursor on. A provisional link is
// only told of, and by the key: the identity may be somebody else's.
func (j *job) findLinked(ctx context.Context, f *arrayFile, to *person.Member) (done bool, err error) {
	who := j.pos.Subject
	for {
		page, err := person.ReadLinked(ctx, j.db, j.project.ID, to.Key, person.Key(who.Cursor), linkedPage)
		if err != nil {
			return false, err
		}
		for _, m := range page {
			who.Cursor = string(m.Key)
			if m.Doc.Link.Provisional {
				err = f.add(Identity{Identity: m.Key, Link: newLink(m.Doc.Link, to.Doc.DistinctID)})
			} else if j.unnoted = append(j.unnoted, m.Key); len(j.unnoted) == request.PartSize {
				err = j.noteFound(ctx)
			}
			if err != nil {
				return false, err
			}
		}
		if len(page) < linkedPage {
			return true, nil
		}
		if j.isFull() {
			return false, nil
		}
	}
}
