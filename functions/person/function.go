// Package person reads what is known of one person: the profile, and the timeline
// of events. It also rectifies it, restricts it, and takes consent.
//
//	/v1/people/{distinct_id}          ─▶ the person's document, and what its identities say of links
//	/v1/people/{distinct_id}/events   ─▶ chunk.PersonDays of each identity, the newest first ─▶ page ─▶ next_cursor
//	/v1/people/{distinct_id}/links    ─▶ person.Connect, person.Disconnect ─▶ join.Settle
//	/v1/people/{distinct_id}/consent  ─▶ the person's document ─▶ topic links: opt-outs of the other identities
//	/v1/people/{distinct_id}/restriction ─▶ the person's document
//	/v1/rectifications                ─▶ package request ─▶ topic rectifications ─▶ PersonWorker
//
// A distinct_id is one segment of the path, percent-encoded. It is turned into
// the identity's key at once and stands in no log. What is asked of one identity is
// answered for the person whose it is (package person).
package person

import (
	"context"
	"net/http"
	"time"
	"unicode/utf8"

	"cloud.google.com/go/firestore"
	"github.com/GoogleCloudPlatform/functions-framework-go/functions"
	"github.com/hashicorp/golang-lru/v2/expirable"

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
	return New(c, guard, dbs, request.Publishers{Tasks: queue.NewPublisher(ps, topology.TopicRectifications, c.PublishTimeout)},
		queue.NewPublisher(ps, topology.TopicLinks, c.PublishTimeout)), nil
}

// New makes the function's handler.
func New(c Config, guard *access.Guard, dbs gcp.Databases, rectifications request.Publishers, links *queue.Publisher) http.Handler {
	s := &server{
		config: c, databases: dbs, db: dbs.Default, rectifications: rectifications, links: links,
		secrets: expirable.NewLRU[string, []byte](1000, nil, time.Hour),
	}
	guard = guard.Within(c.Timeout)
	return web.Mux(
		guard.Route(http.MethodGet, "/v1/people/{distinct_id}", s.reader(s.readProfile)),
		guard.Route(http.MethodGet, "/v1/people/{distinct_id}/events", s.reader(s.readEvents)),
		guard.Route(http.MethodGet, "/v1/people/{distinct_id}/links", s.reader(s.listLinks)),
		guard.Route(http.MethodPost, "/v1/people/{distinct_id}/links", s.createLink),
		guard.Route(http.MethodDelete, "/v1/people/{distinct_id}/links/{other}", s.deleteLink),
		guard.Route(http.MethodGet, "/v1/people/{distinct_id}/consent", s.readConsent),
		guard.Route(http.MethodPut, "/v1/people/{distinct_id}/consent", s.setConsent),
		guard.Route(http.MethodGet, "/v1/people/{distinct_id}/restriction", s.readRestriction),
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
	links          *queue.Publisher
}

// subject is the person that a request is about, by one of its identities.
type subject struct {
	*person.Standing
	project string
	secret  []byte // of the project
	privacy bool   // the caller may know keys, and who is restricted
}

// counted is an answer whose items the access log counts.
type counted interface{ items() int }

// reader finds the person and writes what is answered of it as JSON.
func (s *server) reader(answer func(context.Context, subject, *http.Request) (any, error)) access.Handler {
	return func(ctx context.Context, call *access.Call, w http.ResponseWriter, r *http.Request) error {
		p, err := s.find(ctx, call, r.PathValue("distinct_id"))
		if err != nil {
			return err
		}
		body, err := answer(ctx, p, r)
		if err != nil {
			return err
		}
		if page, ok := body.(counted); ok {
			call.Count(page.items())
		}
		web.WriteJSON(w, body)
		return nil
	}
}

// find reads a person whom the caller may know. Of an identity that was erased a
// document remains that knows no distinct_id: that identity is not there.
func (s *server) find(ctx context.Context, call *access.Call, distinctID string) (subject, error) {
	if !utf8.ValidString(distinctID) {
		return subject{}, fault.InField("distinct_id", "not valid UTF-8")
	}
	secret, err := s.secret(ctx, call.Project)
	if err != nil {
		return subject{}, err
	}
	key := person.MakeKey(secret, distinctID)
	call.About(key)
	found, err := s.standing(ctx, call.Project, key)
	if err != nil {
		return subject{}, err
	}
	p := subject{Standing: found, project: call.Project, secret: secret, privacy: call.Role.Includes(project.Privacy)}
	if p.Own.Doc.DistinctID == "" || p.Person.Doc.Restriction != nil && !p.privacy {
		return subject{}, nobody()
	}
	return p, nil
}

// standing reads an identity, which need not be there, and its person.
func (s *server) standing(ctx context.Context, projectID string, key person.Key) (*person.Standing, error) {
	return person.Find(person.Reader(ctx, s.db), s.db, projectID, key)
}

// identify is the key of an identity that need not be there.
func (s *server) identify(ctx context.Context, caller *access.Call, field, distinctID string) (person.Key, error) {
	if err := person.CheckID(field, distinctID); err != nil {
		return "", err
	}
	secret, err := s.secret(ctx, caller.Project)
	if err != nil {
		return "", err
	}
	key := person.MakeKey(secret, distinctID)
	caller.About(key)
	return key, nil
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
