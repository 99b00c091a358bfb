package store

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/hashicorp/golang-lru/v2/expirable"
	"golang.org/x/sync/errgroup"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/identity"
	"github.com/lethe-analytics/lethe/shared/join"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/security"
	"github.com/lethe-analytics/lethe/shared/topology"
)

func openLinker(ctx context.Context) (http.Handler, error) {
	var c Config
	if err := gcp.Load(ctx, &c); err != nil {
		return nil, err
	}
	dbs, err := gcp.OpenDatabases(ctx, c.Config)
	if err != nil {
		return nil, err
	}
	ps, err := gcp.OpenPubSub(ctx, c.Config)
	if err != nil {
		return nil, err
	}
	return NewLinker(dbs, queue.NewPublisher(ps, topology.DeadTopic(topology.TopicLinks), c.PublishTimeout)), nil
}

// NewLinker makes the handler that works on what events say of who is who.
func NewLinker(dbs gcp.Databases, dead *queue.Publisher) http.Handler {
	l := &linker{
		dbs:      dbs,
		projects: expirable.NewLRU[string, tenant](1000, nil, tenantFresh),
		refused:  expirable.NewLRU[string, *atomic.Int64](10_000, nil, security.BurstWithin),
		turns:    turns{byPerson: map[person.Key]*turn{}},
	}
	return queue.Worker(dead, l.work)
}

// linker works on claims.
type linker struct {
	dbs      gcp.Databases
	projects *expirable.LRU[string, tenant]
	refused  *expirable.LRU[string, *atomic.Int64] // statements without effect, by project
	turns    turns
}

// linkTime is how long work goes on that can be gone on with at the next delivery.
const linkTime = 40 * time.Second

// work does what one message asks for.
func (l *linker) work(ctx context.Context, m *queue.Message) error {
	var t linkTask
	project := m.Attributes[queue.AttrProject]
	if err := json.Unmarshal(m.Data, &t); err != nil || project == "" {
		return fault.Wrap(fault.Invalid, err, "not a task of links")
	}
	end := time.Now().Add(linkTime)
	more := func() bool { return time.Now().Before(end) }
	if t.Spread != "" {
		if done, err := person.SpreadOptOuts(ctx, l.dbs, project, t.Spread, more); err != nil || !done {
			return unfinished(err)
		}
	}
	if t.Settle != "" {
		if err := join.Settle(ctx, l.dbs, project, t.Settle, more); err != nil {
			return err
		}
	}
	of, err := readTenant(ctx, l.dbs.Default, l.projects, project)
	if err != nil {
		return err
	}
	refused := make([]identity.Said, len(t.Claims))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelTx)
	for i, c := range t.Claims {
		g.Go(func() (err error) {
			refused[i], err = l.connect(gctx, project, of, c, more)
			return err
		})
	}
	err = g.Wait()
	counts := map[identity.Said]int{}
	for _, said := range refused {
		if said != "" {
			counts[said]++
		}
	}
	for said, n := range counts {
		slog.WarnContext(ctx, "statements of who is who without effect", "project", project, "reason", string(said), "count", n)
		l.refuse(ctx, project, int64(n))
	}
	return err
}

// refuse counts the statements of a project that have no effect, and raises many of them.
// Each instance counts for itself.
func (l *linker) refuse(ctx context.Context, project string, n int64) {
	count, ok := l.refused.Get(project)
	if !ok { // two at once may lose one count
		count = new(atomic.Int64)
		l.refused.Add(project, count)
	}
	if now := count.Add(n); now >= security.RefusedOf && now-n < security.RefusedOf {
		security.Event(ctx, security.LinksRefused, slog.String("project", project), slog.Int64("statements", now))
	}
}

func unfinished(err error) error {
	if err != nil {
		return err
	}
	return fault.New(fault.Unavailable, "there is more to be done because of a link")
}

// connect works on one claim; refused is why a new one has no effect.
func (l *linker) connect(ctx context.Context, project string, of tenant, c claim, more func() bool) (refused identity.Said, err error) {
	weighed, said := c.Weigh(of.userIDs)
	named := func(id string) person.Named {
		return person.Named{Key: person.MakeKey(of.secret, id), DistinctID: id}
	}
	who, whose := named(weighed.Who), named(weighed.Whose)
	release, err := l.turns.take(ctx, []want{{who.Key, true}})
	if err != nil {
		return "", err
	}
	defer release()
	done, err := person.Connect(ctx, l.dbs, project, person.Claim{Who: who, Whose: whose, Said: said, Link: person.Link{
		By: c.Speaker.String(), Event: c.Event, Received: c.Received.Time(), Message: c.Message, Index: c.Index,
	}})
	if err != nil {
		return "", err
	}
	if done.News && done.Outcome != identity.Taken && done.Outcome != identity.Provisional {
		return done.Said, nil
	}
	if done.Pending == "" {
		return "", nil
	}
	return "", join.Settle(ctx, l.dbs, project, done.Pending, more)
}
