package access_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"cloud.google.com/go/logging"
	"google.golang.org/genproto/googleapis/api/monitoredres"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/web"
)

// world is a tenant with a guard of its own Cloud Logging, and one guarded endpoint.
type world struct {
	*local.Tenant
	t       *testing.T
	logging *local.Logging
	handler http.Handler
	answer  access.Handler // of the endpoint, unless nil
}

const path = "/v1/deletions/{id}"

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{Tenant: local.NewTenant(t, nil), t: t}
	var err error
	if w.logging, err = local.StartLogging(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.logging.Stop)
	w.Config.LoggingHost = w.logging.Host
	client, err := gcp.OpenLogging(context.Background(), w.Config)
	if err != nil {
		t.Fatal(err)
	}
	logger := client.Logger(access.LogName, logging.CommonResource(&monitoredres.MonitoredResource{Type: "global"}))
	guard := access.NewGuard(w.Default, access.NewLog(w.Default, logger, time.Second))
	w.handler = web.Mux(guard.Route(http.MethodGet, path, func(ctx context.Context, c *access.Call, rw http.ResponseWriter, r *http.Request) error {
		return w.answer(ctx, c, rw, r)
	}))
	w.answer = secret
	return w
}

// secret discloses something.
func secret(_ context.Context, c *access.Call, w http.ResponseWriter, _ *http.Request) error {
	c.About("A", "B")
	c.Count(3)
	w.Header().Set("X-Secret", "yes")
	w.WriteHeader(http.StatusAccepted)
	_, err := w.Write([]byte("secret"))
	return err
}

// get asks the handler, whose answer is none of the API's.
func (w *world) get(path, key string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(w.t.Context(), http.MethodGet, path, nil)
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	return rec
}

func (w *world) key(role project.Role) string {
	w.t.Helper()
	key, err := project.NewKey(w.t.Context(), w.Default, w.Project.ID, role)
	if err != nil {
		w.t.Fatal(err)
	}
	return key
}

const id = "0198e0b5-0000-7000-8000-000000000000"

var errSome = errors.New("some fault of ours")

func keys(n int) []person.Key { return make([]person.Key, n) }
