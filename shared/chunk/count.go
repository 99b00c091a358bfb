package chunk

import (
	"context"
	"errors"
	"fmt"

	"cloud.google.com/go/firestore"
	"cloud.google.com/go/firestore/apiv1/firestorepb"
)

// CountProjectDays counts a project's chunks of the days from and to (inclusive), and goes
// no further than most.
func CountProjectDays(ctx context.Context, db *firestore.Client, project, from, to string, most int) (int, error) {
	q := projectDays(db, project, from, to).Limit(most)
	found, err := q.NewAggregationQuery().WithCount("n").Get(ctx)
	if err != nil {
		return 0, fmt.Errorf("count chunks: %w", err)
	}
	n, ok := found["n"].(*firestorepb.Value)
	if !ok {
		return 0, errors.New("count chunks: no number")
	}
	return int(n.GetIntegerValue()), nil
}
