// Package report answers reports from the chunks as they stand at that moment:
// nothing is cached, so that what was stored a second ago is counted.
//
//	chunk.ProjectDays: day after day, person after person, without duplicates
//	   └─▶ event ─▶ name? ─▶ where? ─▶ value of by ─▶ tally (one per series)
//	                                                    ├─ counts, one per bucket of time
//	                                                    └─ persons, as bitmaps of ordinals
//
// What is kept in memory is bounded by the series, the buckets and the persons of
// a report (limits.go), never by its events.
package report

import (
	"context"
	"net/http"

	"cloud.google.com/go/firestore"
	"github.com/GoogleCloudPlatform/functions-framework-go/functions"

	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/topology"
	"github.com/lethe-analytics/lethe/shared/web"
)

func init() { functions.HTTP("Report", web.Lazy(open)) }

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
	s := &server{config: c, db: db}
	return web.Mux(
		web.Route{Method: http.MethodGet, Path: "/v1/reports/segmentation", Handler: s.reader(s.segmentation)},
		web.Route{Method: http.MethodGet, Path: "/v1/reports/top-events", Handler: s.reader(s.topEvents)},
	)
}

type server struct {
	config Config
	db     *firestore.Client
}

// reader demands a key with the role of a reader, and bounds the time that an
// answer may take.
func (s *server) reader(answer func(ctx context.Context, project string, r *http.Request) (any, error)) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		ctx, cancel := context.WithTimeout(r.Context(), s.config.Timeout)
		defer cancel()
		caller, err := project.Authenticate(ctx, s.db, r, project.Reader)
		if err != nil {
			return err
		}
		body, err := answer(ctx, caller.Project, r)
		if err != nil {
			return err
		}
		web.WriteJSON(w, body)
		return nil
	}
}
