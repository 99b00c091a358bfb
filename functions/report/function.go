// Package report answers reports from the chunks as they stand at that moment:
// nothing is cached, so that what was stored a second ago is counted.
//
//	chunk.ProjectDays: day after day, person after person, without duplicates
//	   └─▶ event ─▶ name? ─▶ where? ─▶ value of by ─▶ tally (one per series)
//	                                                    ├─ counts, one per bucket of time
//	                                                    └─ persons, as bitmaps of ordinals
//
// Persons who are restricted are left out of every report (restricted.go).
//
// What is kept in memory is bounded by the series, the buckets and the persons of
// a report (limits.go), never by its events.
package report

import (
	"context"
	"net/http"

	"cloud.google.com/go/firestore"
	"github.com/GoogleCloudPlatform/functions-framework-go/functions"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/gcp"
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
	guard, err := access.OpenGuard(ctx, c.Config, db)
	if err != nil {
		return nil, err
	}
	return New(c, guard, db), nil
}

// New makes the function's handler.
func New(c Config, guard *access.Guard, db *firestore.Client) http.Handler {
	s := &server{config: c, db: db}
	guard = guard.Within(c.Timeout)
	return web.Mux(append(s.mixpanel(guard),
		guard.Route(http.MethodGet, "/v1/reports/segmentation", reader(s.segmentation)),
		guard.Route(http.MethodGet, "/v1/reports/top-events", reader(s.topEvents)),
		guard.Route(http.MethodPost, "/v1/reports/funnel", asker(s.funnel)),
		guard.Route(http.MethodPost, "/v1/reports/retention", asker(s.retention)),
		guard.Route(http.MethodGet, "/v1/reports/properties", reader(s.properties)),
		guard.Route(http.MethodGet, "/v1/reports/values", reader(s.values)),
	)...)
}

type server struct {
	config Config
	db     *firestore.Client
}

// asker is reader for a question that is a body.
func asker(answer func(ctx context.Context, project string, w http.ResponseWriter, r *http.Request) (any, error)) access.Handler {
	return func(ctx context.Context, call *access.Call, w http.ResponseWriter, r *http.Request) error {
		body, err := answer(ctx, call.Project, w, r)
		if err != nil {
			return err
		}
		web.WriteJSON(w, body)
		return nil
	}
}

// reader writes an answer as JSON.
func reader(answer func(ctx context.Context, project string, r *http.Request) (any, error)) access.Handler {
	return func(ctx context.Context, call *access.Call, w http.ResponseWriter, r *http.Request) error {
		body, err := answer(ctx, call.Project, r)
		if err != nil {
			return err
		}
		web.WriteJSON(w, body)
		return nil
	}
}
