// Package ingest takes events and profile operations from SDKs.
//
//	SDK ─▶ /track /engage /import ─▶ event.Parse… ─▶ intake ─▶ token, origin, DPA, rate, opt-outs (edge database)
//	    /consent ─▶ person.Statement ──────────────────┤   by token, with proof, or by service account: event.Speaker
//	                                                   └─▶ queue.Group ─▶ topic events ─▶ store
//
// A request is answered only after Pub/Sub has stored what it brought. Ingest
// reads the edge database and publishes; it can read nothing that it collects. It
// also serves the browser SDK that speaks to it (/sdk.js; its source is sdk/lethe.js).
package ingest

import (
	"context"
	"net/http"

	"cloud.google.com/go/firestore"
	"cloud.google.com/go/pubsub/v2"
	"github.com/GoogleCloudPlatform/functions-framework-go/functions"

	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/topology"
	"github.com/lethe-analytics/lethe/shared/web"
)

func init() { functions.HTTP("Ingest", web.Lazy(open)) }

func open(ctx context.Context) (http.Handler, error) {
	var c Config
	if err := gcp.Load(ctx, &c); err != nil {
		return nil, err
	}
	edge, err := gcp.OpenFirestore(ctx, c.Config, topology.EdgeDatabase)
	if err != nil {
		return nil, err
	}
	ps, err := gcp.OpenPubSub(ctx, c.Config)
	if err != nil {
		return nil, err
	}
	return New(c, edge, ps), nil
}

// New makes the function's handler.
func New(c Config, edge *firestore.Client, ps *pubsub.Client) http.Handler {
	s := &server{
		room:   newRoom(c.LargeWait),
		intake: newIntake(edge, c.EdgeTimeout, c.CacheTTL),
		group:  queue.NewGroup(queue.NewPublisher(ps, topology.TopicEvents, c.PublishTimeout), c.Linger),
	}
	mux := http.NewServeMux()
	for path, h := range map[string]web.Handler{"/track": s.track, "/engage": s.engage, "/import": s.importEvents, "/consent": s.consent} {
		writeError := writeTrackError
		switch path {
		case "/import":
			writeError = writeImportError
		case "/consent":
			writeError = web.WriteProblem
		}
		handler := cors(web.HandleWith(h, writeError, c.ReadTimeout))
		mux.Handle(path, handler)
		mux.Handle(path+"/{$}", handler) // mixpanel-js posts to the slash paths
	}
	sdk := web.Mux(sdkRoutes()...)
	for _, route := range sdkRoutes() {
		mux.Handle(route.Path, sdk)
	}
	mux.Handle("/", web.Handle(notFound))
	if c.TrustRegion {
		return mux
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del(consent.RegionHeader)
		mux.ServeHTTP(w, r)
	})
}

// server is what the endpoints share.
type server struct {
	room   *room
	intake *intake
	group  *queue.Group
}
