package retention

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/amend"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/letters"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/topology"
)

// letters takes out of the dead letters of events, of all projects, what store would
// drop for an erasure, and applies amendments as it would: a message that was on its way
// at the time of an erasure may become a dead letter after its receipt.
func (p *purger) letters(ctx context.Context) error {
	s := letters.Sweeper{DB: p.db, PubSub: p.pubsub, Subscription: topology.DeadTopic(topology.TopicEvents), Parked: p.parked, Idle: p.config.SweepIdle}
	end := time.Now().Add(p.config.Slice)
	projects := map[string]project.Project{}
	n, done, err := s.Sweep(ctx, func(ctx context.Context, id string, ids []string) (map[string]letters.Law, bool, error) {
		if !project.ValidID(id) {
			return nil, false, nil
		}
		known, ok := projects[id]
		if !ok {
			var err error
			if known, err = project.Get(ctx, p.db, id); fault.Of(err) == fault.NotFound {
				return nil, false, nil
			} else if err != nil {
				return nil, false, err
			}
			projects[id] = known
		}
		laws, err := p.laws(ctx, known, ids)
		return laws, true, err
	}, func() bool { return time.Now().Before(end) })
	if err != nil {
		return err
	}
	if !done {
		return p.publish(ctx, task{Letters: true})
	}
	slog.InfoContext(ctx, "dead letters swept", "deleted", n.Deleted, "changed", n.Changed, "unreadable", n.Unreadable)
	return nil
}

// laws reads the fences and the amendments of persons.
func (p *purger) laws(ctx context.Context, of project.Project, ids []string) (map[string]letters.Law, error) {
	refs := make([]*firestore.DocumentRef, len(ids))
	for i, id := range ids {
		refs[i] = person.Ref(p.db, of.ID, person.MakeKey(of.Secret, id))
	}
	snaps, err := p.db.GetAll(ctx, refs)
	if err != nil {
		return nil, fmt.Errorf("read persons of a dead letter: %w", err)
	}
	laws := map[string]letters.Law{}
	for i, snap := range snaps {
		if !snap.Exists() {
			continue
		}
		var doc person.Doc
		if err := snap.DataTo(&doc); err != nil {
			return nil, fmt.Errorf("decode person: %w", err)
		}
		law := letters.Law{Fence: doc.ErasedAt}
		if len(doc.Amendments) > 0 {
			if law.Set, err = amend.Compile(doc.Amendments); err != nil {
				return nil, err
			}
		}
		laws[ids[i]] = law
	}
	return laws, nil
}
