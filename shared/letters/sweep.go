package letters

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"cloud.google.com/go/firestore"
	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"

	"github.com/lethe-analytics/lethe/shared/amend"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/receipt"
)

// Law is what holds for all that was received of one person.
type Law struct {
	Fence time.Time  // what was received at or before it goes
	Set   *amend.Set // of what is left, the changes; nil: none
}

// Laws tells the laws of some distinct_ids of a project; of one that it leaves out all
// stays as it is. A project that is not there, or not the sweep's, has ok false.
type Laws func(ctx context.Context, project string, ids []string) (laws map[string]Law, ok bool, err error)

// Swept is what a sweep came to.
type Swept struct {
	receipt.Count
	Unreadable int // letters, which nobody can read: the subscription drops them in time
}

// Sweeper sweeps the dead letters of a topic that carries events.
type Sweeper struct {
	DB           *firestore.Client
	PubSub       *pubsub.Client
	Subscription string
	Parked       *queue.Publisher // to the topic of the dead letters
	// Idle is for how long nothing comes once all letters have been seen. Pub/Sub may
	// take some seconds to find what it has, and what it gives just when nobody waits
	// any longer is out of sight until its acknowledgement deadline.
	Idle time.Duration
}

// Sweep goes through all dead letters. One that holds something that is to go is
// replaced by what remains of it. Done is false if there was no turn in time.
func (s *Sweeper) Sweep(ctx context.Context, laws Laws, more func() bool) (n Swept, done bool, err error) {
	turn, mine, err := Take(ctx, s.DB, s.PubSub, s.Subscription, more)
	if err != nil || !mine {
		return n, false, err
	}
	defer turn.Close()
	for {
		some, err := turn.Next(ctx, s.Idle)
		if err != nil {
			return n, false, err
		}
		if len(some) == 0 {
			return n, true, nil
		}
		for _, m := range some {
			own, replaced, err := s.letter(ctx, m.Message, laws)
			if err == nil && replaced {
				err = turn.Remove(ctx, m)
			}
			if err != nil {
				return n, false, fmt.Errorf("sweep a dead letter: %w", err)
			}
			n.Found += own.Found
			n.Deleted += own.Deleted
			n.Changed += own.Changed
			n.Unreadable += own.Unreadable
		}
	}
}

// content is what a letter holds.
type content struct {
	events []event.Event
	ops    []event.Op
}

// letter publishes what remains of a letter, if that is not all of it.
func (s *Sweeper) letter(ctx context.Context, m *pubsubpb.PubsubMessage, lawsOf Laws) (n Swept, replaced bool, err error) {
	var c content
	damaged := event.Unpack(m.Data,
		func(e *event.Event) error { c.events = append(c.events, *e); return nil },
		func(o *event.Op) error { c.ops = append(c.ops, *o); return nil })
	laws, ok, err := lawsOf(ctx, m.Attributes[queue.AttrProject], c.ids())
	if err != nil || !ok {
		return n, false, err
	}
	if damaged == nil {
		n.Count, damaged = c.apply(laws)
	}
	if damaged != nil { // it must not keep the others from being swept
		return Swept{Unreadable: 1}, false, nil
	}
	if n.Found == 0 {
		return n, false, nil
	}
	if payload := c.payload(); len(payload) > 0 {
		if err := s.Parked.Publish(ctx, event.PackFast(payload), maps.Clone(m.Attributes)); err != nil {
			return n, false, err
		}
	}
	return n, true, nil
}

// ids are the distinct_ids of whom there is something.
func (c *content) ids() []string {
	seen := map[string]bool{}
	for i := range c.events {
		seen[c.events[i].DistinctID] = true
	}
	for i := range c.ops {
		seen[c.ops[i].DistinctID] = true
	}
	return slices.Collect(maps.Keys(seen))
}

// apply leaves what may stay.
func (c *content) apply(laws map[string]Law) (n receipt.Count, err error) {
	events, ops := c.events[:0], c.ops[:0]
	for _, e := range c.events {
		keep, err := laws[e.DistinctID].apply(&n, e.Received, func(s *amend.Set) (bool, bool, error) { return s.Event(&e) })
		if err != nil {
			return n, err
		}
		if keep {
			events = append(events, e)
		}
	}
	for _, o := range c.ops {
		one := []event.Op{o}
		keep, err := laws[o.DistinctID].apply(&n, o.Received, func(s *amend.Set) (keep, changed bool, err error) {
			changed, keep, err = s.Ops(one)
			return keep, changed, err
		})
		if err != nil {
			return n, err
		}
		if keep {
			ops = append(ops, one...)
		}
	}
	c.events, c.ops = events, ops
	return n, nil
}

// apply counts what the law does to something received of its person.
func (l Law) apply(n *receipt.Count, received event.Millis, change func(*amend.Set) (keep, changed bool, err error)) (keep bool, err error) {
	changed := false
	if keep = received.Time().After(l.Fence); keep && l.Set != nil {
		if keep, changed, err = change(l.Set); err != nil {
			return false, err
		}
	}
	switch {
	case !keep:
		n.Del(1)
	case changed:
		n.Found++
		n.Changed++
	}
	return keep, nil
}

func (c *content) payload() (payload []byte) {
	for i := range c.events {
		payload = event.AppendEvent(payload, &c.events[i])
	}
	for i := range c.ops {
		payload = event.AppendOp(payload, &c.ops[i])
	}
	return payload
}
