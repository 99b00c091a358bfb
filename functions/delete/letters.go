package erase

import (
	"context"
	"time"

	"github.com/lethe-analytics/lethe/shared/letters"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/request"
	"github.com/lethe-analytics/lethe/shared/topology"
)

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

// sweep goes through all dead letters of events; done is false if it did not come to
// its turn in time.
func (j *job) sweep(ctx context.Context) (n letters.Swept, done bool, err error) {
	fences, err := j.fences(ctx)
	if err != nil {
		return n, false, err
	}
	s := letters.Sweeper{DB: j.Default, PubSub: j.PubSub, Subscription: topology.DeadTopic(topology.TopicEvents), Parked: j.parked, Idle: j.config.SweepIdle}
	return s.Sweep(ctx, func(ctx context.Context, project string, ids []string) (map[string]letters.Law, bool, error) {
		if project != j.project.ID {
			return nil, false, nil
		}
		laws := map[string]letters.Law{}
		for _, id := range ids {
			key := person.MakeKey(j.project.Secret, id)
			fence, named := fences[key]
			switch {
			case !named:
			case j.params.whole():
				laws[id] = letters.Law{Fence: fence}
			default:
				set, err := j.set(ctx, key)
				if err != nil {
					return nil, false, err
				}
				laws[id] = letters.Law{Set: set}
			}
		}
		return laws, true, nil
	}, j.slice.Time)
}

// fences are those of all that the request covers.
func (j *job) fences(ctx context.Context) (map[person.Key]time.Time, error) {
	all := map[person.Key]time.Time{}
	for n := range j.slice.Parts {
		part, err := request.ReadPart(ctx, j.Default, j.slice.Request, n)
		if err != nil {
			return nil, err
		}
		for i, s := range part.Subjects {
			if k := part.Keys[i]; s.Fence.After(all[k]) {
				all[k] = s.Fence
			}
		}
	}
	return all, nil
}
