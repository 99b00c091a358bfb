// Package person reads what is known of one person: the profile, and the timeline
// of events. It also rectifies it, restricts it, and takes consent.
//
//	/v1/people/{distinct_id}         ─▶ person.Doc
//	/v1/people/{distinct_id}/events  ─▶ chunk.PersonDays, the newest first ─▶ page ─▶ next_cursor
//	/v1/people/{distinct_id}/consent, …/restriction  ─▶ all who are one person, in one transaction
//	/v1/rectifications               ─▶ package request ─▶ topic rectifications ─▶ PersonWorker
//
// A distinct_id is one segment of the path, percent-encoded. It is turned into
// the person's key at once and stands in no log.
package person

import (
	"context"
	"fmt"
	"net/http"
	"time"
	"unicode/utf8"

	"cloud.google.com/go/firestore"
	"github.com/GoogleCloudPlatform/functions-framework-go/functions"
	"github.com/hashicorp/golang-lru/v2/expirable"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/request"
	"github.com/lethe-analytics/lethe/shared/topology"
	"github.com/lethe-analytics/lethe/shared/web"
)

func init() {
	functions.HTTP("Person", web.Lazy(open))
	functions.HTTP("PersonWorker", web.Lazy(openWorker))
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
	guard, err := access.OpenGuard(ctx, c.Config, dbs.Default)
	if err != nil {
		return nil, err
	}
	return New(c, guard, dbs, request.Publishers{Tasks: queue.NewPublisher(ps, topology.TopicRectifications, c.PublishTimeout)}), nil
}

// New makes the function's handler.
func New(c Config, guard *access.Guard, dbs gcp.Databases, rectifications request.Publishers) http.Handler {
	s := &server{config: c, databases: dbs, db: dbs.Default, rectifications: rectifications, secrets: expirable.NewLRU[string, []byte](1000, nil, time.Hour)}
	guard = guard.Within(c.Timeout)
	return web.Mux(
		guard.Route(http.MethodGet, "/v1/people/{distinct_id}", s.reader(s.profile)),
		guard.Route(http.MethodGet, "/v1/people/{distinct_id}/events", s.reader(s.events)),
		guard.Route(http.MethodGet, "/v1/people/{distinct_id}/consent", s.consent),
		guard.Route(http.MethodPut, "/v1/people/{distinct_id}/consent", s.setConsent),
		guard.Route(http.MethodGet, "/v1/people/{distinct_id}/restriction", s.restriction),
		guard.Route(http.MethodPut, "/v1/people/{distinct_id}/restriction", s.restrict),
		guard.Route(http.MethodDelete, "/v1/people/{distinct_id}/restriction", s.unrestrict),
		guard.Route(http.MethodPost, "/v1/rectifications", s.rectify),
		guard.Route(http.MethodGet, "/v1/rectifications", s.listRectifications),
		guard.Route(http.MethodGet, "/v1/rectifications/{id}", s.rectification),
	)
}

type server struct {
	config    Config
	databases gcp.Databases
	db        *firestore.Client              // databases.Default
	secrets   *expirable.LRU[string, []byte] // by project; a project's secret never changes

	rectifications request.Publishers
}

// subject is the person that a request is about.
type subject struct {
	project string
	secret  []byte // of the project
	key     person.Key
	doc     person.Doc
	members []person.Member // all who are one with the person, itself included, the head first
}

// reader finds the person and writes what is answered of it as JSON.
func (s *server) reader(answer func(context.Context, subject, *http.Request) (any, error)) access.Handler {
	return func(ctx context.Context, call *access.Call, w http.ResponseWriter, r *http.Request) error {
		p, err := s.find(ctx, call, r.PathValue("distinct_id"))
		if err != nil {
			return err
		}
		if p.doc.Restriction != nil && !call.Role.Includes(project.Privacy) {
			return nobody()
		}
		body, err := answer(ctx, p, r)
		if err != nil {
			return err
		}
		if page, ok := body.(*Timeline); ok {
			call.Count(len(page.Events))
		}
		web.WriteJSON(w, body)
		return nil
	}
}

// find reads a person. Of one who was erased a document remains that knows no
// distinct_id: that person is not there.
func (s *server) find(ctx context.Context, call *access.Call, distinctID string) (subject, error) {
	projectID := call.Project
	if !utf8.ValidString(distinctID) {
		return subject{}, fault.InField("distinct_id", "not valid UTF-8")
	}
	secret, err := s.secret(ctx, projectID)
	if err != nil {
		return subject{}, err
	}
	p := subject{project: projectID, secret: secret, key: person.MakeKey(secret, distinctID)}
	call.About(p.key)
	if p.members, p.doc, err = s.cluster(ctx, projectID, p.key); err != nil {
		return subject{}, err
	}
	if p.doc.DistinctID == "" {
		return subject{}, nobody()
	}
	return p, nil
}

// document reads a person's document, which is empty where there is none.
func (s *server) document(ctx context.Context, projectID string, key person.Key) (doc person.Doc, err error) {
	snap, err := person.Ref(s.db, projectID, key).Get(ctx)
	if status.Code(err) == codes.NotFound {
		return doc, nil
	}
	if err != nil {
		return doc, fmt.Errorf("read person: %w", err)
	}
	if err := snap.DataTo(&doc); err != nil {
		return doc, fmt.Errorf("decode person: %w", err)
	}
	return doc, nil
}

func nobody() error { return fault.New(fault.NotFound, "the project has no such person") }

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
