// Package erase erases persons, or single properties or events of theirs, and
// proves it.
//
//	POST /v1/deletions ─▶ package request ─▶ topic deletions ─▶ DeleteWorker, in slices:
//	   fences of those who are named and of their persons ─▶ the persons' identities, page after
//	     page, appended to the request with their fences
//	     ─▶ chunks, operations, consents ─▶ archives and requests ─▶ dead letters
//	     ─▶ all of it counted again, identities too ─ anything left? ─▶ once more
//	     ─▶ receipt, signed ─▶ GET /v1/deletions/{id}/receipt
//
// The fence is first: from then on nothing that was received before is stored, so
// what is deleted behind it cannot come back. The folder is called delete, a word
// that Go keeps for itself.
package erase

import (
	"context"
	"net/http"

	"cloud.google.com/go/firestore"
	"github.com/GoogleCloudPlatform/functions-framework-go/functions"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/mixpanel"
	"github.com/lethe-analytics/lethe/shared/objects"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/receipt"
	"github.com/lethe-analytics/lethe/shared/request"
	"github.com/lethe-analytics/lethe/shared/topology"
	"github.com/lethe-analytics/lethe/shared/web"
)

func init() {
	functions.HTTP("Delete", web.Lazy(open))
	functions.HTTP("DeleteWorker", web.Lazy(openWorker))
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
	ps, err := gcp.OpenPubSub(ctx, c.Config)
	if err != nil {
		return nil, err
	}
	signer, err := c.openSigner(ctx)
	if err != nil {
		return nil, err
	}
	guard, err := access.OpenGuard(ctx, c.Config, db)
	if err != nil {
		return nil, err
	}
	return New(c, guard, db, signer.Keys, request.Publishers{Tasks: queue.NewPublisher(ps, topology.TopicDeletions, c.PublishTimeout),
		Callbacks: queue.NewPublisher(ps, topology.TopicCallbacks, c.PublishTimeout)}), nil
}

// New makes the handler of the API.
func New(c Config, guard *access.Guard, db *firestore.Client, keys Keys, pubs request.Publishers) http.Handler {
	s := &server{config: c, db: db, keys: keys, pubs: pubs}
	guard = guard.Within(c.Timeout)
	return web.Mux(
		guard.Route(http.MethodPost, "/v1/deletions", s.create),
		guard.Route(http.MethodPost, "/v1/deletions/preview", s.preview),
		guard.Route(http.MethodGet, "/v1/deletions", s.list),
		guard.Route(http.MethodGet, "/v1/deletions/{id}", s.get),
		guard.Route(http.MethodDelete, "/v1/deletions/{id}", s.cancel),
		guard.Route(http.MethodPost, "/v1/deletions/{id}/confirm", s.confirm),
		guard.Route(http.MethodPost, "/v1/deletions/{id}/refuse", s.refuse),
		guard.Route(http.MethodGet, "/v1/deletions/{id}/receipt", s.receipt),
		web.Route{Method: http.MethodGet, Path: "/.well-known/jwks.json", Handler: s.jwks},
		mixpanel.Route(guard.Route(http.MethodPost, "/api/app/data-deletions/v3.0", s.createMixpanel)),
		mixpanel.Route(guard.Route(http.MethodGet, "/api/app/data-deletions/v3.0/{id}", s.getMixpanel)),
		mixpanel.Route(guard.Route(http.MethodDelete, "/api/app/data-deletions/v3.0/{id}", s.cancelMixpanel)),
	)
}

type server struct {
	config Config
	db     *firestore.Client
	keys   Keys
	pubs   request.Publishers
}

func openWorker(ctx context.Context) (http.Handler, error) {
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
	bucket, err := objects.Open(ctx, c.Config)
	if err != nil {
		return nil, err
	}
	signer, err := c.openSigner(ctx)
	if err != nil {
		return nil, err
	}
	return NewWorker(c, Stores{Databases: dbs, PubSub: ps, Bucket: bucket}, signer), nil
}

// NewWorker makes the handler that erases.
func NewWorker(c Config, stores Stores, signer *receipt.Signer) http.Handler {
	publisher := func(topic string) *queue.Publisher { return queue.NewPublisher(stores.PubSub, topic, c.PublishTimeout) }
	e := &eraser{Stores: stores, config: c, signer: signer, parked: publisher(topology.DeadTopic(topology.TopicEvents))}
	pubs := request.Publishers{Tasks: publisher(topology.TopicDeletions), Callbacks: publisher(topology.TopicCallbacks),
		Webhooks: publisher(topology.TopicWebhooks)}
	return request.Worker(stores.Default, publisher(topology.DeadTopic(topology.TopicDeletions)), pubs, c.Slice, e.work)
}
