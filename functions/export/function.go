// Package export answers requests of access and portability (GDPR Art. 15 and 20)
// with an archive.
//
//	POST /v1/exports ─▶ package request ─▶ topic exports ─▶ ExportWorker, in slices:
//	   person after person ─▶ segments: exports/{project}/{request}/segments/000000, …
//	     ─▶ manifest, index, directory of the ZIP ─▶ composed to …/archive.zip
//	GET /v1/exports/{id} ─▶ signed URL, made anew each time
//
// A person may have any number of identities. They are listed in notes of the request
// (request.Cover), by which an erasure finds the archive, and each file of the person is
// written by going through the notes: a position is a number of a note and one in it.
//
// A segment is a piece of the ZIP: some files, or a part of a person's events. It is
// built in memory, a few megabytes at a time, and Cloud Storage puts the pieces
// together, so that an archive of any size needs the memory of one segment.
package export

import (
	"context"
	"net/http"

	"cloud.google.com/go/firestore"
	"cloud.google.com/go/storage"
	"github.com/GoogleCloudPlatform/functions-framework-go/functions"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/mixpanel"
	"github.com/lethe-analytics/lethe/shared/objects"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/request"
	"github.com/lethe-analytics/lethe/shared/topology"
	"github.com/lethe-analytics/lethe/shared/web"
)

func init() {
	functions.HTTP("Export", web.Lazy(open))
	functions.HTTP("ExportWorker", web.Lazy(openWorker))
}

// openBucket opens what both entry points need.
func openBucket(ctx context.Context) (c Config, db *firestore.Client, pubs request.Publishers, dead *queue.Publisher, bucket *storage.BucketHandle, err error) {
	if err = gcp.Load(ctx, &c); err != nil {
		return
	}
	if db, err = gcp.OpenFirestore(ctx, c.Config, topology.DefaultDatabase); err != nil {
		return
	}
	ps, err := gcp.OpenPubSub(ctx, c.Config)
	if err != nil {
		return
	}
	pubs = request.Publishers{
		Tasks:     queue.NewPublisher(ps, topology.TopicExports, c.PublishTimeout),
		Callbacks: queue.NewPublisher(ps, topology.TopicCallbacks, c.PublishTimeout),
		Webhooks:  queue.NewPublisher(ps, topology.TopicWebhooks, c.PublishTimeout),
	}
	dead = queue.NewPublisher(ps, topology.DeadTopic(topology.TopicExports), c.PublishTimeout)
	bucket, err = objects.Open(ctx, c.Config)
	return
}

func open(ctx context.Context) (http.Handler, error) {
	c, db, pubs, _, bucket, err := openBucket(ctx)
	if err != nil {
		return nil, err
	}
	signer, err := objects.NewURLSigner(c.Signing, bucket)
	if err != nil {
		return nil, err
	}
	guard, err := access.OpenGuard(ctx, c.Config, db)
	if err != nil {
		return nil, err
	}
	return New(c, guard, db, signer, pubs), nil
}

func openWorker(ctx context.Context) (http.Handler, error) {
	c, db, pubs, dead, bucket, err := openBucket(ctx)
	if err != nil {
		return nil, err
	}
	return NewWorker(c, db, bucket, dead, pubs), nil
}

// New makes the handler of the API.
func New(c Config, guard *access.Guard, db *firestore.Client, signer *objects.URLSigner, pubs request.Publishers) http.Handler {
	s := &server{config: c, db: db, signer: signer, pubs: pubs}
	guard = guard.Within(c.Timeout)
	return web.Mux(
		guard.Route(http.MethodPost, "/v1/exports", s.create),
		guard.Route(http.MethodGet, "/v1/exports", s.list),
		guard.Route(http.MethodGet, "/v1/exports/{id}", s.get),
		guard.Route(http.MethodDelete, "/v1/exports/{id}", s.cancel),
		guard.Route(http.MethodPost, "/v1/exports/{id}/confirm", s.confirm),
		guard.Route(http.MethodPost, "/v1/exports/{id}/refuse", s.refuse),
		mixpanel.Route(guard.Route(http.MethodPost, "/api/app/data-retrievals/v3.0", s.createMixpanel)),
		mixpanel.Route(guard.Route(http.MethodGet, "/api/app/data-retrievals/v3.0/{id}", s.getMixpanel)),
	)
}

type server struct {
	config Config
	db     *firestore.Client
	signer *objects.URLSigner
	pubs   request.Publishers
}

// NewWorker makes the handler that builds archives.
func NewWorker(c Config, db *firestore.Client, bucket *storage.BucketHandle, dead *queue.Publisher, pubs request.Publishers) http.Handler {
	e := &exporter{db: db, bucket: bucket}
	return request.Worker(db, dead, pubs, c.Slice, e.work)
}
