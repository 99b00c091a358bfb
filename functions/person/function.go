// Package person reads what is known of one person: the profile, and the timeline
// of events.
//
//	/v1/people/{distinct_id}         ─▶ person.Doc
//	/v1/people/{distinct_id}/events  ─▶ chunk.PersonDays, the newest first ─▶ page ─▶ next_cursor
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

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/topology"
	"github.com/lethe-analytics/lethe/shared/web"
)

func init() { functions.HTTP("Person", web.Lazy(open)) }

func open(ctx context.Context) (http.Handler, error) {
	var c Config
	if err := gcp.Load(ctx, &c); err != nil {
		return nil, err
	}
	db, err := gcp.OpenFirestore(ctx, c.Config, topology.DefaultDatabase)
	if err != nil {
		return nil, err
	}
	return New(c, db), nil
}

// New makes the function's handler.
func New(c Config, db *firestore.Client) http.Handler {
	s := &server{config: c, db: db, secrets: expirable.NewLRU[string, []byte](1000, nil, time.Hour)}
	return web.Mux(
		web.Route{Method: http.MethodGet, Path: "/v1/people/{distinct_id}", Handler: s.reader(s.profile)},
		web.Route{Method: http.MethodGet, Path: "/v1/people/{distinct_id}/events", Handler: s.reader(s.events)},
	)
}

type server struct {
	config  Config
	db      *firestore.Client
	secrets *expirable.LRU[string, []byte] // by project; a project's secret never changes
}

// subject is the person that a request is about.
type subject struct {
	project string
	secret  []byte // of the project
	key     person.Key
	doc     person.Doc
}

// reader demands a key with the role of a reader, finds the person, and bounds
// the time that an answer may take.
func (s *server) reader(answer func(context.Context, subject, *http.Request) (any, error)) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		ctx, cancel := context.WithTimeout(r.Context(), s.config.Timeout)
		defer cancel()
		caller, err := project.Authenticate(ctx, s.db, r, project.Reader)
		if err != nil {
			return err
		}
		p, err := s.find(ctx, caller.Project, r.PathValue("distinct_id"))
		if err != nil {
			return err
		}
		body, err := answer(ctx, p, r)
		if err != nil {
			return err
		}
		web.WriteJSON(w, body)
		return nil
	}
}

// find reads a person. Of one who was erased a document remains that knows no
// distinct_id: that person is not there.
func (s *server) find(ctx context.Context, projectID, distinctID string) (subject, error) {
	if !utf8.ValidString(distinctID) {
		return subject{}, fault.InField("distinct_id", "not valid UTF-8")
	}
	secret, err := s.secret(ctx, projectID)
	if err != nil {
		return subject{}, err
	}
	p := subject{project: projectID, secret: secret, key: person.MakeKey(secret, distinctID)}
	snap, err := person.Ref(s.db, projectID, p.key).Get(ctx)
	if status.Code(err) == codes.NotFound {
		return subject{}, nobody()
	}
	if err != nil {
		return subject{}, fmt.Errorf("read person: %w", err)
	}
	if err := snap.DataTo(&p.doc); err != nil {
		return subject{}, fmt.Errorf("decode person: %w", err)
	}
	if p.doc.DistinctID == "" {
		return subject{}, nobody()
	}
	return p, nil
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
