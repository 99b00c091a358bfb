// Package opendsr takes the requests of data subjects in the form in which privacy
// tools send them: OpenDSR 2.0, and 1.0 under its old name OpenGDPR
// (https://github.com/opengdpr/opengdpr).
//
//	/requests, /opengdpr_requests ─▶ package request ─▶ topics exports, deletions
//	                                     └─ change of state ─▶ topic callbacks ─▶ OpenDSRWorker ─▶ status_callback_urls
//	/discovery, /cert.pem         ─▶ what the processor can do, and by what its answers are verified
//
// Every answer and callback is signed. Who a request is about is found out by its
// worker (request.Slice.Resolve).
package opendsr

import (
	"context"
	"net/http"
	"time"

	"cloud.google.com/go/firestore"
	"github.com/GoogleCloudPlatform/functions-framework-go/functions"
	"github.com/hashicorp/golang-lru/v2/expirable"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/request"
	"github.com/lethe-analytics/lethe/shared/topology"
	"github.com/lethe-analytics/lethe/shared/web"
)

func init() {
	functions.HTTP("OpenDSR", web.Lazy(open))
	functions.HTTP("OpenDSRWorker", web.Lazy(openWorker))
}

func open(ctx context.Context) (http.Handler, error) {
	var c Config
	if err := gcp.Load(ctx, &c); err != nil {
		return nil, err
	}
	signer, err := NewSigner(c)
	if err != nil {
		return nil, err
	}
	db, err := gcp.OpenFirestore(ctx, c.Config, topology.DefaultDatabase)
	if err != nil {
		return nil, err
	}
	ps, err := gcp.OpenPubSub(ctx, c.Config)
	if err != nil {
		return nil, err
	}
	publishers := func(kind request.Kind) request.Publishers {
		return request.Publishers{
			Tasks:     queue.NewPublisher(ps, kind.Topic(), c.PublishTimeout),
			Callbacks: queue.NewPublisher(ps, topology.TopicCallbacks, c.PublishTimeout),
		}
	}
	guard, err := access.OpenGuard(ctx, c.Config, db)
	if err != nil {
		return nil, err
	}
	return New(c, guard, signer, db, publishers(request.Export), publishers(request.Deletion)), nil
}

// newPath is the path of version 2.0.
const newPath = "/requests"

// New makes the function's handler.
func New(c Config, guard *access.Guard, signer *Signer, db *firestore.Client, exports, deletions request.Publishers) http.Handler {
	s := &server{config: c, signer: signer, db: db, secrets: expirable.NewLRU[string, []byte](1000, nil, time.Hour),
		publishers: map[request.Kind]request.Publishers{request.Export: exports, request.Deletion: deletions}}
	mux := http.NewServeMux()
	route := func(path string, methods map[string]web.Handler) {
		for method, h := range methods {
			mux.Handle(method+" "+path, handle(h))
		}
		mux.Handle(path, handle(func(http.ResponseWriter, *http.Request) error {
			return fault.New(fault.Method, "this path does not take the method")
		}))
	}
	guarded := func(method, path string, h access.Handler) web.Handler { return guard.Route(method, path, h).Handler }
	guard = guard.Within(c.Timeout)
	for _, path := range []string{newPath, oldPath} {
		one := path + "/{id}"
		route(path, map[string]web.Handler{http.MethodPost: guarded(http.MethodPost, path, s.create)})
		route(one, map[string]web.Handler{
			http.MethodGet: guarded(http.MethodGet, one, s.status), http.MethodDelete: guarded(http.MethodDelete, one, s.cancel),
		})
	}
	route("/discovery", map[string]web.Handler{http.MethodGet: s.discovery})
	route("/cert.pem", map[string]web.Handler{http.MethodGet: s.certificate})
	mux.Handle("/", handle(func(http.ResponseWriter, *http.Request) error {
		return fault.New(fault.NotFound, "there is nothing at this path")
	}))
	return signer.signed(mux)
}

func handle(h web.Handler) http.Handler { return web.HandleWith(h, writeError, web.ReadTimeout) }

type server struct {
	config     Config
	signer     *Signer
	db         *firestore.Client
	secrets    *expirable.LRU[string, []byte] // by project; a project's secret never changes
	publishers map[request.Kind]request.Publishers
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

// errorBody is an error in OpenDSR's form.
type errorBody struct {
	Error struct {
		Code    int         `json:"code"`
		Message string      `json:"message"`
		Errors  []errorItem `json:"errors"`
	} `json:"error"`
}

type errorItem struct {
	Domain  string `json:"domain"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// writeError answers with an error. What the state does not allow is a bad request
// in OpenDSR.
func writeError(w http.ResponseWriter, _ *http.Request, err error) {
	kind, code := fault.Of(err), web.Status(err)
	if kind == fault.Conflict {
		code = http.StatusBadRequest
	}
	detail, fields := web.Describe(err)
	var b errorBody
	b.Error.Code, b.Error.Message = code, detail
	for _, f := range fields {
		b.Error.Errors = append(b.Error.Errors, errorItem{Domain: f.Name, Reason: string(kind), Message: f.Detail})
	}
	if len(fields) == 0 {
		b.Error.Errors = []errorItem{{Domain: "request", Reason: string(kind), Message: detail}}
	}
	web.SetRetryHeaders(w.Header(), kind)
	writeJSON(w, code, b)
}

// writeJSON answers with a JSON body.
func writeJSON(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	web.WriteJSON(w, body)
}
