package erase

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lethe-analytics/lethe/shared/amend"
	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/profile"
)

// amend rewrites what is stored of a group: its amendments stand on the identities'
// documents already, as the fence of that which is still on its way.
func (j *job) amend(ctx context.Context, g *group) (done bool, err error) {
	for j.pos.Member < len(g.members) {
		n, p, done, err := j.amendMember(ctx, g.members[j.pos.Member])
		// What was done before an error counts, for it will not be found again.
		j.pos.Stores.Events.Found += n.Dropped + n.Changed
		j.pos.Stores.Events.Deleted += n.Dropped
		j.pos.Stores.Events.Changed += n.Changed
		j.pos.Stores.Operations.Found += p.Operations
		j.pos.Stores.Operations.Changed += p.Operations
		if done {
			j.pos.Member, j.pos.Cursor = j.pos.Member+1, ""
		}
		if err := errors.Join(err, j.slice.Save(ctx, j.pos)); err != nil {
			return false, err
		}
		if !j.slice.Time() {
			return false, nil
		}
	}
	return true, nil
}

// amendMember goes on with one member's operations and chunks, from the cursor. The
// profile is folded once for all identities of the person (fold).
func (j *job) amendMember(ctx context.Context, m member) (n chunk.Counts, p profile.Counts, done bool, err error) {
	set, err := j.set(ctx, m.key)
	if err != nil || set == nil {
		return n, p, err == nil, err
	}
	if j.pos.Cursor == "" {
		if p, err = profile.AmendOps(ctx, j.Default, j.project.ID, m.key, m.person, set); err != nil {
			return n, p, false, err
		}
	}
	n, j.pos.Cursor, done, err = chunk.Amend(ctx, j.Default, j.project.ID, m.key, set, j.pos.Cursor, j.slice.Time)
	return n, p, done, err
}

// sets are the amendments of identities, by key.
type sets map[person.Key]*amend.Set

// set reads the amendments of an identity; nil if there are none, for it has been
// erased since.
func (j *job) set(ctx context.Context, key person.Key) (*amend.Set, error) {
	if set, ok := j.sets[key]; ok {
		return set, nil
	}
	snap, err := person.Ref(j.Default, j.project.ID, key).Get(ctx)
	if status.Code(err) == codes.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read person: %w", err)
	}
	var doc person.Doc
	if err := snap.DataTo(&doc); err != nil {
		return nil, fmt.Errorf("decode person: %w", err)
	}
	if len(doc.Amendments) == 0 {
		return nil, nil
	}
	set, err := amend.Compile(doc.Amendments)
	if err != nil {
		return nil, err
	}
	if j.sets == nil {
		j.sets = sets{}
	}
	j.sets[key] = set
	return set, nil
}
