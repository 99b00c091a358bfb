package erase

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/receipt"
	"github.com/lethe-analytics/lethe/shared/request"
	"github.com/lethe-analytics/lethe/shared/topology"
)

// sweepIdle is for how long nothing comes once all letters have been seen.
const sweepIdle = time.Second

// letters sweeps the dead letters; the next stage counts.
func (j *job) letters(ctx context.Context) error {
	n, done, err := j.sweep(ctx)
	if err != nil || !done {
		return err
	}
	j.pos.Stores.DeadLetters.Found += n.Found
	j.pos.Stores.DeadLetters.Deleted += n.Deleted
	j.pos.Stores.DeadLetters.Changed += n.Changed
	return j.enter(ctx, stageVerify)
}

// swept is what a sweep came to.
type swept struct {
	receipt.Count
	unreadable int
}

// sweep goes through all dead letters of events. One that holds something that is to
// go is replaced by what remains of it. Sweeps take turns, since each keeps what it
// has seen from coming again, to itself and to the others; done is false if it was
// not its turn in time.
func (j *job) sweep(ctx context.Context) (n swept, done bool, err error) {
	fences, err := j.fences(ctx)
	if err != nil {
		return n, false, err
	}
	release, err := j.sweepTurn(ctx)
	if err != nil || release == nil {
		return n, false, err
	}
	back := true // what was held can be seen by the next sweep
	defer func() {
		if back {
			release()
		}
	}()
	client := j.PubSub.SubscriptionAdminClient
	sub := "projects/" + j.PubSub.Project() + "/subscriptions/" + topology.DeadTopic(topology.TopicEvents)
	var held []string
	defer func() {
		background, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		for some := range slices.Chunk(held, 500) {
			if client.ModifyAckDeadline(background, &pubsubpb.ModifyAckDeadlineRequest{Subscription: sub, AckIds: some}) != nil {
				back = false // they come back by themselves, before the turn ends
			}
		}
	}()
	for {
		waiting, cancel := context.WithTimeout(ctx, sweepIdle)
		got, err := client.Pull(waiting, &pubsubpb.PullRequest{Subscription: sub, MaxMessages: 100})
		cancel()
		if err != nil && ctx.Err() == nil && (status.Code(err) == codes.DeadlineExceeded || waiting.Err() != nil) {
			return n, true, nil
		}
		if err != nil {
			return n, false, fmt.Errorf("read dead letters: %w", err)
		}
		if len(got.ReceivedMessages) == 0 {
			return n, true, nil
		}
		for i, m := range got.ReceivedMessages {
			replaced, err := j.letter(ctx, m.Message, fences, &n)
			if err == nil && replaced {
				err = client.Acknowledge(ctx, &pubsubpb.AcknowledgeRequest{Subscription: sub, AckIds: []string{m.AckId}})
			}
			if err != nil {
				for _, rest := range got.ReceivedMessages[i:] {
					held = append(held, rest.AckId)
				}
				return n, false, fmt.Errorf("sweep a dead letter: %w", err)
			}
			if !replaced {
				held = append(held, m.AckId)
			}
		}
	}
}

// letter replaces one message, if need be.
func (j *job) letter(ctx context.Context, m *pubsubpb.PubsubMessage, fences map[person.Key]time.Time, n *swept) (replaced bool, err error) {
	if m.Attributes[queue.AttrProject] != j.project.ID {
		return false, nil
	}
	var payload []byte
	var own swept
	items := 0
	judge := func(distinctID string, received event.Millis, whole func() (keep, changed bool, err error)) (keep bool, err error) {
		key := person.MakeKey(j.project.Secret, distinctID)
		fence, named := fences[key]
		if !named || received.Time().After(fence) {
			return true, nil
		}
		keep, changed := false, false
		if !j.params.whole() {
			if keep, changed, err = whole(); err != nil {
				return false, err
			}
		}
		switch {
		case !keep:
			own.Del(1)
		case changed:
			own.Found++
			own.Changed++
		}
		return keep, nil
	}
	err = event.Unpack(m.Data,
		func(e *event.Event) error {
			keep, err := judge(e.DistinctID, e.Received, func() (bool, bool, error) {
				set, err := j.set(ctx, person.MakeKey(j.project.Secret, e.DistinctID))
				if err != nil || set == nil {
					return true, false, err
				}
				return set.Event(e)
			})
			if keep {
				payload = event.AppendEvent(payload, e)
				items++
			}
			return err
		},
		func(o *event.Op) error {
			keep, err := judge(o.DistinctID, o.Received, func() (bool, bool, error) {
				set, err := j.set(ctx, person.MakeKey(j.project.Secret, o.DistinctID))
				if err != nil || set == nil {
					return true, false, err
				}
				ops := []event.Op{*o}
				changed, left, err := set.Ops(ops)
				*o = ops[0]
				return left, changed, err
			})
			if keep {
				payload = event.AppendOp(payload, o)
				items++
			}
			return err
		})
	if err != nil { // nobody can read it; the queue drops it in time
		n.unreadable++
		return false, nil
	}
	if own.Found == 0 {
		return false, nil
	}
	if items > 0 {
		attrs := maps.Clone(m.Attributes)
		if err := j.parked.Publish(ctx, event.PackFast(payload), attrs); err != nil {
			return false, err
		}
	}
	n.Found += own.Found
	n.Deleted += own.Deleted
	n.Changed += own.Changed
	return true, nil
}

// fences are those of all the request's subjects.
func (j *job) fences(ctx context.Context) (map[person.Key]time.Time, error) {
	all := map[person.Key]time.Time{}
	for n := range j.slice.Parts {
		part, err := request.ReadPart(ctx, j.Default, j.slice.Request, n)
		if err != nil {
			return nil, err
		}
		for i, s := range part.Subjects {
			for _, k := range append([]person.Key{part.Keys[i]}, s.Linked...) {
				if s.Fence.After(all[k]) {
					all[k] = s.Fence
				}
			}
		}
	}
	return all, nil
}
