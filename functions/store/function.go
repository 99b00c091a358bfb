// Package store writes batches of events and profile operations to Firestore,
// exactly once in effect.
//
//	topic events ─push─▶ batch of one project ─▶ persons ─▶ transactions of many persons each:
//	     read the persons ─▶ drop what fence or consent forbids ─▶ write chunks, ops, profiles
//	└─▶ link the distinct_ids that the stored events say are one person
//
// A chunk's and an operation's id come from what they hold, so that a message
// delivered again overwrites itself. Persons and chunks are in one transaction,
// so that an erasure that writes its fence meanwhile either sees the chunks or
// makes the transaction run again.
package store

import (
	"context"
	"net/http"
	"time"

	"cloud.google.com/go/firestore"
	"github.com/GoogleCloudPlatform/functions-framework-go/functions"
	"github.com/hashicorp/golang-lru/v2/expirable"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/topology"
	"github.com/lethe-analytics/lethe/shared/web"
)

func init() { functions.HTTP("Store", web.Lazy(open)) }

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
	return New(dbs, queue.NewPublisher(ps, topology.DeadTopic(topology.TopicEvents), c.PublishTimeout)), nil
}

// New makes the function's handler.
func New(dbs gcp.Databases, dead *queue.Publisher) http.Handler {
	s := &server{
		dbs:     dbs,
		db:      dbs.Default,
		secrets: expirable.NewLRU[string, []byte](1000, nil, time.Hour),
		known:   expirable.NewLRU[person.Key, struct{}](100_000, nil, time.Hour),
		turns:   turns{byPerson: map[person.Key]*turn{}},
	}
	return queue.Worker(dead, s.store)
}

type server struct {
	dbs     gcp.Databases
	db      *firestore.Client                    // the (default) one
	secrets *expirable.LRU[string, []byte]       // by project; a project's secret never changes
	known   *expirable.LRU[person.Key, struct{}] // persons who have a document
	turns   turns
}

// store does the work of one message.
func (s *server) store(ctx context.Context, m *queue.Message) error {
	id := m.Attributes[queue.AttrProject]
	if id == "" {
		return fault.New(fault.Invalid, "the message names no project")
	}
	secret, err := s.secret(ctx, id)
	if err != nil {
		return err
	}
	people, err := sortOut(m.Data, secret)
	if err != nil {
		return err
	}
	if people, err = s.consents(ctx, id, people); err != nil {
		return err
	}
	found, err := s.write(ctx, id, people)
	if err != nil {
		return err
	}
	return s.link(ctx, id, secret, found)
}

func (s *server) secret(ctx context.Context, id string) ([]byte, error) {
	if secret, ok := s.secrets.Get(id); ok {
		return secret, nil
	}
	p, err := project.Get(ctx, s.db, id)
	if err != nil {
		return nil, err
	}
	s.secrets.Add(id, p.Secret)
	return p.Secret, nil
}
