package erase

import (
	"context"
	"fmt"
	"time"

	"cloud.google.com/go/firestore"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lethe-analytics/lethe/shared/topology"
)

// Times of the turns at the dead letters.
const (
	sweepPause = 300 * time.Millisecond // between two looks at whether another sweep has ended
	// sweepLease is how long a worker that is killed keeps the others out: it may have
	// taken letters until its own deadline, and each is hidden for another one.
	sweepLease = 2 * topology.AckDeadline
)

// sweepTurn waits until no other sweep is on its way; nil if the slice's time is
// over before.
func (j *job) sweepTurn(ctx context.Context) (release func(), err error) {
	ref := j.Default.Doc("sweeps/" + topology.DeadTopic(topology.TopicEvents))
	for {
		until := time.Now().Add(sweepLease).UTC().Truncate(time.Microsecond)
		mine := false
		err := j.Default.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
			snap, err := tx.Get(ref)
			if err != nil && status.Code(err) != codes.NotFound {
				return err
			}
			var turn struct {
				Until time.Time `firestore:"until"`
			}
			if err == nil {
				if err := snap.DataTo(&turn); err != nil {
					return err
				}
			}
			if mine = !turn.Until.After(time.Now()); !mine {
				return nil
			}
			return tx.Set(ref, map[string]any{"until": until, "request": j.slice.ID})
		})
		if err != nil {
			return nil, fmt.Errorf("take a turn at the dead letters: %w", err)
		}
		if mine {
			return func() {
				background, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
				defer cancel()
				_, _ = ref.Delete(background) // else the turn ends by itself
			}, nil
		}
		if !j.slice.Time() {
			return nil, nil
		}
		select {
		case <-time.After(sweepPause):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
