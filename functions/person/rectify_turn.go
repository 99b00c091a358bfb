package person

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/request"
)

// Pub/Sub keeps no order, and of two rectifications the one that is worked on later
// stands. So each waits for those of the same person that were asked for before.
const (
	turnPause = 100 * time.Millisecond
	// turnLimit is how old one may be that others wait for: one whose message is a
	// dead letter must not hold them up for good.
	turnLimit = 10 * time.Minute
	// turnPage is how many identities are asked for at a time which requests name them.
	turnPage = 30
)

// awaitTurn waits until everything is finished that was asked for before; false if the
// slice's time is over first.
func (j *rectifyJob) awaitTurn(ctx context.Context) (mine bool, err error) {
	if j.pos.Turn {
		return true, nil
	}
	own, err := request.PartRef(j.db, j.slice.Project, j.slice.ID, 0).Get(ctx)
	if err != nil {
		return false, fmt.Errorf("read part of a rectification: %w", err)
	}
	s, err := person.Find(person.Reader(ctx, j.db), j.db, j.slice.Project, j.named)
	if err != nil {
		return false, err
	}
	if j.pos.TurnOf != s.Person.Key {
		j.pos.TurnOf, j.pos.TurnAt = s.Person.Key, ""
	}
	some := []person.Key{j.named}
	way := person.Walk{Of: s.Person, After: j.pos.TurnAt, Follow: person.FollowFirm}
	for step, err := range way.Steps(ctx, j.db, j.slice.Project) {
		if err != nil {
			return false, err
		}
		if some = append(some, step.Key); len(some) < turnPage {
			continue
		}
		if done, err := j.awaitRequests(ctx, some, own.CreateTime); err != nil || !done {
			return false, err
		}
		some, j.pos.TurnAt = nil, step.At
		if !j.slice.Time() {
			return false, nil
		}
	}
	if done, err := j.awaitRequests(ctx, some, own.CreateTime); err != nil || !done {
		return false, err
	}
	j.pos.Turn = true
	return true, nil
}

// awaitRequests waits until the requests are finished that name any of some identities and
// were stored before a time, by Firestore's clock.
func (j *rectifyJob) awaitRequests(ctx context.Context, of []person.Key, before time.Time) (done bool, err error) {
	found, err := request.Of(ctx, j.db, j.slice.Project, of...)
	if err != nil {
		return false, err
	}
	var ids []string
	for _, f := range found {
		if f.Created.Before(before) && !slices.Contains(ids, f.Request) {
			ids = append(ids, f.Request)
		}
	}
	for len(ids) > 0 {
		r, err := request.Get(ctx, j.db, j.slice.Project, ids[0], request.Rectification)
		if err != nil && fault.Of(err) != fault.NotFound {
			return false, err
		}
		if err != nil || r.Status.Final() || time.Since(r.Created) > turnLimit { // not found: it is of another kind
			ids = ids[1:]
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
	return true, nil
}
