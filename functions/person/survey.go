package person

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/lethe-analytics/lethe/shared/person"
)

// Limits of what is told of a person's identities at once. The list of links has all.
const (
	maxListed   = 1000
	maxSurveyed = 10_000 // of these the one is found that was seen first
)

// survey is what is found out about the identities of a person.
type survey struct {
	subject
	distinctIDs []string
	firstSeen   time.Time
	told        []person.Member // whose links are shown
	links       []Link
	scope       scope
}

// survey looks at the identities of a person, the one that was asked about among them.
func (s *server) survey(ctx context.Context, p subject) (*survey, error) {
	v := &survey{subject: p, scope: newScope(p)}
	if !p.Alone() {
		v.add(&p.Own, true)
	}
	n := 0
	for step, err := range (person.Walk{Of: p.Person, Follow: v.scope.mayShow}).Steps(ctx, s.db, p.project) {
		if err != nil {
			return nil, err
		}
		if p.Alone() || step.Key != p.Own.Key {
			v.add(&step.Member, v.scope.isFirm(&step.Member))
		}
		if n++; n == maxSurveyed {
			break
		}
	}
	slices.Sort(v.distinctIDs)
	v.firstSeen = v.firstSeen.UTC()
	var err error
	if v.links, err = s.newLinks(ctx, p, v.told); err != nil {
		return nil, err
	}
	slices.SortStableFunc(v.links, func(a, b Link) int {
		return cmp.Or(a.Received.Compare(b.Received), cmp.Compare(a.DistinctID, b.DistinctID))
	})
	return v, nil
}

// add takes note of one identity.
func (v *survey) add(m *person.Member, firm bool) {
	if firm && m.Doc.DistinctID != "" {
		if len(v.distinctIDs) < maxListed {
			v.distinctIDs = append(v.distinctIDs, m.Doc.DistinctID)
		}
		if v.firstSeen.IsZero() || m.Doc.FirstSeen.Before(v.firstSeen) {
			v.firstSeen = m.Doc.FirstSeen
		}
	}
	if m.Doc.Link != nil && len(v.told) < maxListed {
		v.told = append(v.told, *m)
	}
}

// scope tells, on a walk over the identities of a person and those that provisional links
// lead to, which are which.
type scope struct {
	subject
	loose map[person.Key]bool // those with others below, whom only reports count as the person's
}

func newScope(p subject) scope { return scope{p, map[person.Key]bool{}} }

// isFirm reports whether an identity on the walk is the person's for all rights.
func (c scope) isFirm(m *person.Member) bool {
	l := m.Doc.Link
	return m.Key == c.Person.Key || l != nil && !l.Provisional && !c.loose[l.To]
}

// mayShow reports whether the walk goes to an identity. One whom a provisional link joins
// is still a person of its own, who may be restricted.
func (c scope) mayShow(m *person.Member) bool {
	if c.isFirm(m) {
		return true
	}
	if m.Doc.Restriction != nil && !c.privacy {
		return false
	}
	if m.Doc.Joined {
		c.loose[m.Key] = true
	}
	return true
}
