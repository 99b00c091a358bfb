package person

import (
	"context"
	"fmt"
	"slices"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/profile"
)

// cluster reads all who are one with a person, the head first, and the person's own
// document among theirs.
func (s *server) cluster(ctx context.Context, project string, key person.Key) ([]person.Member, person.Doc, error) {
	get := func(refs []*firestore.DocumentRef) ([]*firestore.DocumentSnapshot, error) {
		return s.db.GetAll(ctx, refs)
	}
	all, err := person.Cluster(get, s.db, project, key)
	if err != nil {
		return nil, person.Doc{}, err
	}
	own := slices.IndexFunc(all, func(m person.Member) bool { return m.Key == key })
	return all, all[own].Doc, nil
}

// distinctIDs are all that the person is known by, in order.
func (p *subject) distinctIDs() []string {
	var ids []string
	for _, m := range p.members {
		if m.Doc.DistinctID != "" {
			ids = append(ids, m.Doc.DistinctID)
		}
	}
	slices.Sort(ids)
	return ids
}

// firstSeen is when the first of the distinct_ids was seen.
func (p *subject) firstSeen() time.Time {
	first := p.doc.FirstSeen
	for _, m := range p.members {
		if at := m.Doc.FirstSeen; m.Doc.DistinctID != "" && at.Before(first) {
			first = at
		}
	}
	return first.UTC()
}

// profile is the head's, and what it lacks from the others; of these the first
// in the order of the cluster counts.
func (p *subject) profile() (string, error) {
	var texts []string
	for _, m := range p.members {
		if m.Doc.Profile != "" {
			texts = append(texts, m.Doc.Profile)
		}
	}
	switch len(texts) {
	case 0:
		return "{}", nil
	case 1:
		return texts[0], nil // as it is stored
	}
	merged := profile.Profile{}
	for _, text := range texts {
		own, err := profile.Parse(text)
		if err != nil {
			return "", err
		}
		for name, value := range own {
			if _, ok := merged[name]; !ok {
				merged[name] = value
			}
		}
	}
	return merged.JSON(), nil
}

// cursors makes and opens the cursors of the person's timeline. They are sealed for
// the head; since a head may become the member of another, one that was sealed for
// any member is opened.
type cursors struct {
	*sealer
	members []*sealer
}

func (p *subject) cursors() cursors {
	var c cursors
	for _, m := range p.members {
		c.members = append(c.members, newSealer(p.secret, m.Key))
	}
	c.sealer = c.members[0]
	return c
}

func (c cursors) open(cursor string) (pos position, err error) {
	for _, s := range c.members {
		if pos, err = s.open(cursor); err == nil {
			return pos, nil
		}
	}
	return position{}, fmt.Errorf("open a cursor: %w", err)
}

// fill puts the first events of all members on a page. One member after the other
// is read, each only to the day where the page ends by then: all at once would be
// a stream to Firestore for each, and a connection has a hundred.
func (s *server) fill(ctx context.Context, p subject, page *page, from, to string) error {
	for _, m := range p.members {
		if page.end != nil {
			from = max(from, page.end.time.Day())
		}
		for d, err := range chunk.PersonDays(ctx, s.db, p.project, m.Key, from, to) {
			if err != nil {
				return err
			}
			if err := d.Events(page.add); err != nil {
				return err
			}
			if page.closed(d.Day) {
				break
			}
		}
	}
	return nil
}
