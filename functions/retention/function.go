// Package retention purges what is past its retention, and is where retention is set.
//
//	/v1/retention, …/preview, …/holds/{distinct_id} ─▶ projects/{project}, package retention of shared/
//
//	Cloud Scheduler ─ {} ─▶ topic retention ─▶ RetentionWorker ─ {project, run} a project ─▶ topic retention
//	                                                             │     └─ slices ─▶ projects/{project}/retention_runs/{day}
//	                                                             └─ {letters} ─▶ the dead letters of events, as store would take them
//	a run: chunks past retention ─▶ rules, by days not done before ─▶ operations ─▶ archives ─▶ what is left
//
// A slice's position and counts are written in the transaction that deletes, so a
// worker that is killed goes on where it was, and nothing is counted twice. The same
// transaction reads the project's document: settings or a legal hold that have
// changed since the slice read them end it before it deletes.
//
// A legal hold stops the purge and nothing else. It does not stop an erasure: whether
// GDPR Art. 17(3)(e) allows to refuse one is the controller's to decide, before asking
// for it. Restriction (Art. 18) does not stop the purge.
package retention

import (
	"context"
	"net/http"

	"cloud.google.com/go/firestore"
	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/storage"
	"github.com/GoogleCloudPlatform/functions-framework-go/functions"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/objects"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/topology"
	"github.com/lethe-analytics/lethe/shared/web"
)

func init() {
	functions.HTTP("Retention", web.Lazy(open))
	functions.HTTP("RetentionWorker", web.Lazy(openWorker))
}

func open(ctx context.Context) (http.Handler, error) {
	var c Config
	if err := gcp.Load(ctx, &c); err != nil {
		return nil, err
	}
	db, err := gcp.OpenFirestore(ctx, c.Config, topology.DefaultDatabase)
	if err != nil {
		return nil, err
	}
	guard, err := access.OpenGuard(ctx, c.Config, db)
	if err != nil {
		return nil, err
	}
	return New(c, guard, db), nil
}

// New makes the handler of the API.
func New(c Config, guard *access.Guard, db *firestore.Client) http.Handler {
	s := &server{config: c, db: db}
	guard = guard.Within(c.Timeout)
	return web.Mux(
		guard.Route(http.MethodGet, "/v1/retention", s.get),
		guard.Route(http.MethodPut, "/v1/retention", s.put),
		guard.Route(http.MethodDelete, "/v1/retention/pending", s.takeBack),
		guard.Route(http.MethodPost, "/v1/retention/preview", s.preview),
		guard.Route(http.MethodGet, "/v1/retention/runs", s.runs),
		guard.Route(http.MethodGet, "/v1/retention/hold", s.getHold),
		guard.Route(http.MethodPut, "/v1/retention/hold", s.putHold),
		guard.Route(http.MethodDelete, "/v1/retention/hold", s.deleteHold),
		guard.Route(http.MethodGet, "/v1/retention/holds/{distinct_id}", s.getPersonHold),
		guard.Route(http.MethodPut, "/v1/retention/holds/{distinct_id}", s.putPersonHold),
		guard.Route(http.MethodDelete, "/v1/retention/holds/{distinct_id}", s.deletePersonHold),
	)
}

type server struct {
	config Config
	db     *firestore.Client
}

func openWorker(ctx context.Context) (http.Handler, error) {
	var c Config
	if err := gcp.Load(ctx, &c); err != nil {
		return nil, err
	}
	db, err := gcp.OpenFirestore(ctx, c.Config, topology.DefaultDatabase)
	if err != nil {
		return nil, err
	}
	ps, err := gcp.OpenPubSub(ctx, c.Config)
	if err != nil {
		return nil, err
	}
	bucket, err := objects.Open(ctx, c.Config)
	if err != nil {
		return nil, err
	}
	return NewWorker(c, db, bucket, ps), nil
}

// NewWorker makes the handler that purges.
func NewWorker(c Config, db *firestore.Client, bucket *storage.BucketHandle, ps *pubsub.Client) http.Handler {
	publisher := func(topic string) *queue.Publisher { return queue.NewPublisher(ps, topic, c.PublishTimeout) }
	p := &purger{config: c, db: db, bucket: bucket, pubsub: ps,
		tasks: publisher(topology.TopicRetention), parked: publisher(topology.DeadTopic(topology.TopicEvents))}
	return queue.Worker(publisher(topology.DeadTopic(topology.TopicRetention)), p.message)
}
