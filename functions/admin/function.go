// Package admin is a project's own administration. It answers from the access log,
// and AdminWorker seals that.
//
//	GET /v1/access-log              ─▶ package access: the entries, as JSON, NDJSON or CSV
//	/v1/keys, /v1/tokens, /v1/project, …/settings, …/identity-secret, …/dpa ─▶ package project: (default), then edge
//	GET /v1/access-log/checkpoint, /proof, /consistency, /tile/… ─▶ package seal
//	/v1/sessions                    ─▶ package project: keys/{hash}, beside the API keys
//	/v1/grants, /v1/staff, /v1/project/staff-access ─▶ package staff; the customer is told by webhook
//	GET /v1/evidence                ─▶ all that is on record of a project, signed by receipt.Signer
//	every minute ─▶ topic seals {} ─▶ AdminWorker ─ a message a project ─▶ topic seals
//	                                              └─ its project's message ─▶ seal.Sealer
package admin

import (
	"context"
	"net/http"

	"cloud.google.com/go/firestore"
	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/storage"
	"github.com/GoogleCloudPlatform/functions-framework-go/functions"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/access/merkle"
	"github.com/lethe-analytics/lethe/shared/access/seal"
	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/objects"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/receipt"
	"github.com/lethe-analytics/lethe/shared/topology"
	"github.com/lethe-analytics/lethe/shared/web"
)

func init() {
	functions.HTTP("Admin", web.Lazy(open))
	functions.HTTP("AdminWorker", web.Lazy(openWorker))
}

// Stores are what both entry points work with.
type Stores struct {
	DB     *firestore.Client
	Edge   *firestore.Client
	Bucket *storage.BucketHandle
	Key    *merkle.Key // of the access log
	// Of the API alone:
	Signer   *receipt.Signer
	Webhooks *queue.Publisher // of topology.TopicWebhooks
}

func openStores(ctx context.Context) (c Config, s Stores, err error) {
	if err = gcp.Load(ctx, &c); err != nil {
		return c, s, err
	}
	if s.Key, err = merkle.OpenKey(c.LogKeyFile); err != nil {
		return c, s, err
	}
	if err = s.Key.After(c.LogKeysEarlier); err != nil {
		return c, s, err
	}
	if s.DB, err = gcp.OpenFirestore(ctx, c.Config, topology.DefaultDatabase); err != nil {
		return c, s, err
	}
	if s.Edge, err = gcp.OpenFirestore(ctx, c.Config, topology.EdgeDatabase); err != nil {
		return c, s, err
	}
	s.Bucket, err = objects.Open(ctx, c.Config)
	return c, s, err
}

func open(ctx context.Context) (http.Handler, error) {
	c, stores, err := openStores(ctx)
	if err != nil {
		return nil, err
	}
	if stores.Signer, err = c.openSigner(ctx); err != nil {
		return nil, err
	}
	ps, err := gcp.OpenPubSub(ctx, c.Config)
	if err != nil {
		return nil, err
	}
	stores.Webhooks = queue.NewPublisher(ps, topology.TopicWebhooks, c.PublishTimeout)
	guard, err := access.OpenGuard(ctx, c.Config, stores.DB)
	if err != nil {
		return nil, err
	}
	return New(c, guard, stores), nil
}

// New makes the handler of the API.
func New(c Config, guard *access.Guard, stores Stores) http.Handler {
	s := &server{stores, c.PublicURL}
	guard = guard.Within(c.Timeout)
	return web.Mux(
		guard.Route(http.MethodGet, "/v1/access-log", s.accessLog),
		guard.Route(http.MethodGet, "/v1/access-log/checkpoint", s.checkpoint),
		guard.Route(http.MethodGet, "/v1/access-log/proof", s.proof),
		guard.Route(http.MethodGet, "/v1/access-log/consistency", s.consistency),
		guard.Route(http.MethodGet, "/v1/access-log/tile/{path...}", s.tile),
		guard.Route(http.MethodPost, "/v1/keys", s.createKey),
		guard.Route(http.MethodGet, "/v1/keys", s.listKeys),
		guard.Route(http.MethodPost, "/v1/keys/{id}/rotate", s.rotateKey),
		guard.Route(http.MethodDelete, "/v1/keys/{id}", s.revokeKey),
		guard.Route(http.MethodPost, "/v1/tokens", s.createToken),
		guard.Route(http.MethodGet, "/v1/tokens", s.listTokens),
		guard.Route(http.MethodPut, "/v1/tokens/{id}", s.putToken),
		guard.Route(http.MethodPost, "/v1/tokens/{id}/rotate", s.rotateToken),
		guard.Route(http.MethodDelete, "/v1/tokens/{id}", s.revokeToken),
		guard.Route(http.MethodGet, "/v1/project", s.getProject),
		guard.Route(http.MethodPut, "/v1/project/settings", s.putSettings),
		guard.Route(http.MethodGet, "/v1/project/settings/history", s.settingsHistory),
		guard.Route(http.MethodPost, "/v1/project/identity-secret", s.rotateIdentitySecret),
		guard.Route(http.MethodDelete, "/v1/project/identity-secret", s.endIdentitySecrets),
		guard.Route(http.MethodGet, "/v1/project/dpa", s.getDPA),
		guard.Route(http.MethodPost, "/v1/project/dpa", s.acceptDPA),
		guard.Route(http.MethodPost, "/v1/projects", s.createProject),
		guard.Route(http.MethodPost, "/v1/dpa", s.publishDPA),
		guard.Route(http.MethodGet, "/v1/project/staff-access", s.getStaffAccess),
		guard.Route(http.MethodPut, "/v1/project/staff-access", s.putStaffAccess),
		guard.Route(http.MethodGet, "/v1/evidence", s.evidence),
		guard.Route(http.MethodPost, "/v1/sessions", s.createSession),
		guard.Route(http.MethodGet, "/v1/sessions/current", s.getSession),
		guard.Route(http.MethodDelete, "/v1/sessions/current", s.endSession),
		guard.Route(http.MethodPost, "/v1/grants", s.createGrant),
		guard.Route(http.MethodGet, "/v1/grants", s.listGrants),
		guard.Route(http.MethodPost, "/v1/grants/{id}/approve", s.approveGrant),
		guard.Route(http.MethodPost, "/v1/grants/{id}/revoke", s.revokeGrant),
		guard.Route(http.MethodGet, "/v1/staff", s.listStaff),
		guard.Route(http.MethodPut, "/v1/staff/{email}", s.putStaff),
	)
}

type server struct {
	Stores
	publicURL string
}

func openWorker(ctx context.Context) (http.Handler, error) {
	c, stores, err := openStores(ctx)
	if err != nil {
		return nil, err
	}
	ps, err := gcp.OpenPubSub(ctx, c.Config)
	if err != nil {
		return nil, err
	}
	return NewWorker(c, stores, ps), nil
}

// NewWorker makes the handler that seals.
func NewWorker(c Config, stores Stores, ps *pubsub.Client) http.Handler {
	w := &worker{
		sealer: seal.New(stores.DB, stores.Bucket, stores.Key),
		seals:  queue.NewPublisher(ps, topology.TopicSeals, c.PublishTimeout),
	}
	return queue.Worker(queue.NewPublisher(ps, topology.DeadTopic(topology.TopicSeals), c.PublishTimeout), w.seal)
}
