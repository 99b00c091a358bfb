// Package incident tells customers of incidents that may have reached their data, until
// they acknowledge (GDPR Art. 33(2)), and owns the webhooks by which it does.
//
//	staff ─ POST /v1/incidents ─▶ incidents/{id}                    Incident: what happened, updates
//	                              incidents/{id}/notices/{project}  Notice: what one customer knows
//	     ─▶ topic incidents ─▶ IncidentWorker ─▶ webhook + e-mail to the project's contacts
//	          ▲ every hour: notices that are due: repeated every 12 hours until the
//	          │ customer acknowledges; after 24 hours the processor's own are told
//	customer ─ POST /v1/incidents/{id}/acknowledge
//	customer ─ /v1/webhooks ─▶ package webhook ─▶ topic webhooks ─▶ WebhookWorker
//
// The clock of 72 hours (Art. 33(1)) is counted from when the processor noticed: a
// customer's own begins when it is told, so that it is never later than shown.
package incident

import (
	"context"
	"net/http"

	"cloud.google.com/go/firestore"
	"github.com/GoogleCloudPlatform/functions-framework-go/functions"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/topology"
	"github.com/lethe-analytics/lethe/shared/web"
	"github.com/lethe-analytics/lethe/shared/webhook"
)

func init() {
	functions.HTTP("Incident", web.Lazy(open))
	functions.HTTP("IncidentWorker", web.Lazy(openWorker))
	functions.HTTP("WebhookWorker", web.Lazy(openWebhookWorker))
}

func open(ctx context.Context) (http.Handler, error) {
	var c Config
	db, publisher, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	guard, err := access.OpenGuard(ctx, c.Config, db)
	if err != nil {
		return nil, err
	}
	return New(c, guard, db, publisher(topology.TopicIncidents)), nil
}

func openWorker(ctx context.Context) (http.Handler, error) {
	var c Config
	db, publisher, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	mailer, err := NewMailer(c.Mail)
	if err != nil {
		return nil, err
	}
	return NewWorker(c, db, mailer, publisher(topology.TopicIncidents), publisher(topology.TopicWebhooks),
		publisher(topology.DeadTopic(topology.TopicIncidents))), nil
}

func openWebhookWorker(ctx context.Context) (http.Handler, error) {
	var c Config
	db, publisher, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	return webhook.NewSender(c.Webhook, db).Worker(publisher(topology.DeadTopic(topology.TopicWebhooks)), publisher(topology.TopicWebhooks)), nil
}

// open loads the configuration and opens the clients that every entry point needs.
func (c *Config) open(ctx context.Context) (*firestore.Client, func(topic string) *queue.Publisher, error) {
	if err := gcp.Load(ctx, c); err != nil {
		return nil, nil, err
	}
	db, err := gcp.OpenFirestore(ctx, c.Config, topology.DefaultDatabase)
	if err != nil {
		return nil, nil, err
	}
	ps, err := gcp.OpenPubSub(ctx, c.Config)
	if err != nil {
		return nil, nil, err
	}
	return db, func(topic string) *queue.Publisher { return queue.NewPublisher(ps, topic, c.PublishTimeout) }, nil
}

// New makes the handler of the API. The publisher is of topology.TopicIncidents.
func New(c Config, guard *access.Guard, db *firestore.Client, pub *queue.Publisher) http.Handler {
	s := &server{config: c, db: db, pub: pub, sender: webhook.NewSender(c.Webhook, db)}
	guard = guard.Within(c.Timeout)
	return web.Mux(
		guard.Route(http.MethodPost, "/v1/incidents", viewed(s.create)),
		guard.Route(http.MethodGet, "/v1/incidents", viewed(s.list)),
		guard.Route(http.MethodGet, "/v1/incidents/{id}", viewed(s.get)),
		guard.Route(http.MethodPost, "/v1/incidents/{id}/updates", viewed(s.update)),
		guard.Route(http.MethodPost, "/v1/incidents/{id}/close", viewed(s.close)),
		guard.Route(http.MethodPost, "/v1/incidents/{id}/acknowledge", viewed(s.acknowledge)),
		guard.Route(http.MethodGet, "/v1/project/contacts", viewed(s.getContacts)),
		guard.Route(http.MethodPut, "/v1/project/contacts", viewed(s.putContacts)),
		guard.Route(http.MethodPost, "/v1/webhooks", viewed(s.createWebhook)),
		guard.Route(http.MethodGet, "/v1/webhooks", viewed(s.listWebhooks)),
		guard.Route(http.MethodPost, "/v1/webhooks/test", viewed(s.testWebhook)),
		guard.Route(http.MethodGet, "/v1/webhooks/deliveries", viewed(s.listDeliveries)),
		guard.Route(http.MethodDelete, "/v1/webhooks/{id}", viewed(s.deleteWebhook)),
		guard.Route(http.MethodPost, "/v1/webhooks/{id}/rotate", viewed(s.rotateWebhook)),
	)
}

type server struct {
	config Config
	db     *firestore.Client
	pub    *queue.Publisher
	sender *webhook.Sender
}

// viewer is who asks: a member of staff, or (Staff is false) a project's admin.
type viewer struct {
	Staff   bool
	Actor   string // the member's e-mail address, or the hash of the API key
	Project string // of an admin
}

type answerer func(context.Context, viewer, http.ResponseWriter, *http.Request) error

// viewed tells a handler who asks. That they may, the guard has found out.
func viewed(answer answerer) access.Handler {
	return func(ctx context.Context, c *access.Call, w http.ResponseWriter, r *http.Request) error {
		v := viewer{Actor: c.KeyHash, Project: c.Project}
		if c.Member != nil {
			v = viewer{Staff: true, Actor: c.Member.Email}
		}
		return answer(ctx, v, w, r)
	}
}
