package person

import (
	"context"
	"fmt"

	"cloud.google.com/go/firestore"
	"cloud.google.com/go/firestore/apiv1/firestorepb"
)

// Count is how many identities a person has, its own among them. It reads none of them
// but those that others are linked to.
func Count(ctx context.Context, db *firestore.Client, project string, of Member) (int, error) {
	n := 1
	for open := []Member{of}; len(open) > 0; open = open[1:] {
		if !open[0].Doc.Joined {
			continue
		}
		linked := people(db, project).Where("link.to", "==", string(open[0].Key))
		all, err := countQuery(ctx, linked)
		if err != nil {
			return 0, err
		}
		provisional, err := countQuery(ctx, linked.Where("link.provisional", "==", true))
		if err != nil {
			return 0, err
		}
		n += all - provisional
		snaps, err := linked.Where("joined", "==", true).Documents(ctx).GetAll()
		if err != nil {
			return 0, fmt.Errorf("read the identities of a person: %w", err)
		}
		for _, snap := range snaps {
			m, err := newMember(snap)
			if err != nil {
				return 0, err
			}
			if FollowFirm(&m) {
				open = append(open, m)
			}
		}
	}
	return n, nil
}

func countQuery(ctx context.Context, q firestore.Query) (int, error) {
	const name = "n"
	found, err := q.NewAggregationQuery().WithCount(name).Get(ctx)
	if err != nil {
		return 0, fmt.Errorf("count the identities of a person: %w", err)
	}
	n, ok := found[name].(*firestorepb.Value)
	if !ok {
		return 0, fmt.Errorf("count the identities of a person: an answer of type %T", found[name])
	}
	return int(n.GetIntegerValue()), nil
}
