package person

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/request"
)

// Pub/Sub keeps no order, and of two rectifications the one that is worked on later
// stands. So each waits for those of the same person that were asked for before.
const (
	turnPause = 100 * time.Millisecond
	// turnLimit is how old one may be that others wait for: one whose message is a
	// dead letter must not hold them up for good.
	turnLimit = 10 * time.Minute
)

// turn waits until everything is finished that was asked for before; false if the
// slice's time is over first.
func (j *rectifyJob) turn(ctx context.Context) (mine bool, err error) {
	if j.pos.Turn {
		return true, nil
	}
	before, err := j.before(ctx)
	if err != nil {
		return false, err
	}
	for len(before) > 0 {
		r, err := request.Get(ctx, j.db, j.slice.Project, before[0], request.Rectification)
		if err != nil && fault.Of(err) != fault.NotFound {
			return false, err
		}
		if err != nil || r.Status.Final() || time.Since(r.Created) > turnLimit { // not found: it is of another kind
			before = before[1:]
			continue
		}
		select {
		case <-time.After(turnPause):
		case <-ctx.Done():
			return false, ctx.Err()
		}
		if !j.slice.Time() {
			return false, nil
		}
	}
	j.pos.Turn = true
	return true, j.slice.Save(ctx, j.pos)
}

// before lists the requests that name any who is one with the person and were
// stored before this one was, by Firestore's clock.
func (j *rectifyJob) before(ctx context.Context) (ids []string, err error) {
	own, err := request.PartRef(j.db, j.slice.Project, j.slice.ID, 0).Get(ctx)
	if err != nil {
		return nil, fmt.Errorf("read part of a rectification: %w", err)
	}
	for _, key := range j.pos.Members {
		found, err := request.Of(ctx, j.db, j.slice.Project, key)
		if err != nil {
			return nil, err
		}
		for _, f := range found {
			if f.Created.Before(own.CreateTime) && !slices.Contains(ids, f.Request) {
				ids = append(ids, f.Request)
			}
		}
	}
	return ids, nil
}
