package erase

import (
	"context"
	"fmt"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/request"
)

// groupSize is how many identities are worked on together, and how many of those who are
// named get their fences in one transaction.
const groupSize = 20

// group is some identities of the request.
type group struct {
	part    int
	begin   int // of the entries in the part
	end     int
	last    bool      // of the part
	settled time.Time // request.Subject.Settled of all of them
	members []member
}

// member is an identity that is to be erased.
type member struct {
	key    person.Key
	person person.Key // whose it was
	fence  time.Time
}

// group reads the next group.
func (j *job) group(ctx context.Context) (*group, error) {
	_, part, err := j.readPart(ctx, j.pos.Part)
	if err != nil {
		return nil, err
	}
	g := &group{part: j.pos.Part, begin: j.pos.Next, end: min(j.pos.Next+groupSize, len(part.Keys))}
	g.last = g.end == len(part.Keys)
	g.settled = part.Subjects[g.begin].Settled
	for i := g.begin; i < g.end; i++ {
		g.members = append(g.members, member{part.Keys[i], part.Subjects[i].Person, part.Subjects[i].Fence})
	}
	return g, nil
}

func (j *job) readPart(ctx context.Context, n int) (*firestore.DocumentSnapshot, *request.Part, error) {
	snap, err := request.PartRef(j.Default, j.project.ID, j.slice.ID, n).Get(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("read part of a deletion: %w", err)
	}
	part := &request.Part{}
	if err := snap.DataTo(part); err != nil {
		return nil, nil, fmt.Errorf("decode part of a deletion: %w", err)
	}
	return snap, part, nil
}

// named reports whether the group is of those who were asked for.
func (j *job) named(g *group) bool { return g.part < j.pos.Asked }

// keys are those of the members.
func (g *group) keys() []person.Key {
	keys := make([]person.Key, len(g.members))
	for i, m := range g.members {
		keys[i] = m.key
	}
	return keys
}

// newest is the latest of the group's fences.
func (g *group) newest() (fence time.Time) {
	for _, m := range g.members {
		if m.fence.After(fence) {
			fence = m.fence
		}
	}
	return fence
}

// refs are the documents of the members.
func (g *group) refs(db *firestore.Client, project string) []*firestore.DocumentRef {
	refs := make([]*firestore.DocumentRef, len(g.members))
	for i, m := range g.members {
		refs[i] = person.Ref(db, project, m.key)
	}
	return refs
}
