// Package store writes batches of events and profile operations to Firestore,
// exactly once in effect.
//
//	topic events ─push─▶ Store: batch of one project ─▶ identities ─▶ transactions of many each:
//	     read the identities and their persons ─▶ drop what fence or consent forbids ─▶ write chunks, ops, profiles
//	└─▶ topic links ─push─▶ LinkWorker: what the stored events say of who is who (person.Connect)
//
// A chunk's and an operation's id come from what they hold, so that a message
// delivered again overwrites itself. Identities and chunks are in one transaction,
// so that an erasure that writes its fence meanwhile either sees the chunks or
// makes the transaction run again. Links have a topic of their own: however many a
// token sends, no event waits for them.
package store

import (
	"context"
	"net/http"
	"time"

	"cloud.google.com/go/firestore"
	"github.com/GoogleCloudPlatform/functions-framework-go/functions"
	"github.com/hashicorp/golang-lru/v2/expirable"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/identity"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/topology"
	"github.com/lethe-analytics/lethe/shared/web"
)

func init() {
	functions.HTTP("Store", web.Lazy(open))
	functions.HTTP("LinkWorker", web.Lazy(openLinker))
}

func open(ctx context.Context) (http.Handler, error) {
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
	return New(dbs, queue.NewPublisher(ps, topology.DeadTopic(topology.TopicEvents), c.PublishTimeout),
		queue.NewPublisher(ps, topology.TopicLinks, c.PublishTimeout)), nil
}

// New makes the function's handler.
func New(dbs gcp.Databases, dead, links *queue.Publisher) http.Handler {
	s := &server{
		dbs:      dbs,
		db:       dbs.Default,
		links:    links,
		projects: expirable.NewLRU[string, tenant](1000, nil, tenantFresh),
		known:    expirable.NewLRU[person.Key, struct{}](100_000, nil, time.Hour),
		claimed:  expirable.NewLRU[pair, event.Millis](100_000, nil, claimsFresh),
		turns:    turns{byPerson: map[person.Key]*turn{}},
	}
	return queue.Worker(dead, s.store)
}

type server struct {
	dbs      gcp.Databases
	db       *firestore.Client // the (default) one
	links    *queue.Publisher
	projects *expirable.LRU[string, tenant]
	known    *expirable.LRU[person.Key, struct{}] // identities that have a document
	claimed  *expirable.LRU[pair, event.Millis]   // claims that have been published, by receipt
	turns    turns
}

// store does the work of one message.
func (s *server) store(ctx context.Context, m *queue.Message) error {
	id := m.Attributes[queue.AttrProject]
	if id == "" {
		return fault.New(fault.Invalid, "the message names no project")
	}
	of, err := readTenant(ctx, s.db, s.projects, id)
	if err != nil {
		return err
	}
	people, err := sortOut(m, of)
	if err != nil {
		return err
	}
	if people, err = s.consents(ctx, id, people); err != nil {
		return err
	}
	if people, err = s.holdBack(ctx, id, of, people); err != nil {
		return err
	}
	claims, err := s.write(ctx, id, people)
	if err != nil {
		return err
	}
	return s.publishClaims(ctx, id, claims)
}

// tenant is what is known of a project.
type tenant struct {
	secret  []byte
	userIDs identity.UserIDs
}

// tenantFresh is how long it is taken for known.
const tenantFresh = time.Minute

func readTenant(ctx context.Context, db *firestore.Client, known *expirable.LRU[string, tenant], id string) (tenant, error) {
	if t, ok := known.Get(id); ok {
		return t, nil
	}
	p, err := project.Get(ctx, db, id)
	if err != nil {
		return tenant{}, err
	}
	t := tenant{p.Secret, p.UserIDs}
	known.Add(id, t)
	return t, nil
}
