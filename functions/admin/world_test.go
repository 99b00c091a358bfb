package admin_test

import (
	"net/http"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/storage"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/emulators/local/localstorage"
	"github.com/lethe-analytics/lethe/functions/admin"
	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/access/merkle"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/project"
)

// world is a tenant with the function.
type world struct {
	*local.Tenant
	t      testing.TB
	ps     *pubsub.Client
	bucket *storage.BucketHandle
	key    *merkle.Key
	log    *access.Log
	config admin.Config
	stores admin.Stores
	api    http.Handler
	worker http.Handler
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{Tenant: local.NewTenant(t, nil), t: t, key: local.LogKey(t)}
	w.ps = w.OpenPubSub(t)
	_, w.bucket = localstorage.OpenBucket(t, w.Tenant)
	w.log = w.OpenLog(t)
	w.config = admin.Config{Config: w.Config, Timeout: time.Minute, PublishTimeout: 30 * time.Second}
	w.stores = admin.Stores{DB: w.Default, Edge: w.Edge, Bucket: w.bucket, Key: w.key}
	w.api = admin.New(w.config, access.NewGuard(w.Default, w.log), w.stores)
	w.worker = admin.NewWorker(w.config, w.stores, w.ps)
	return w
}

// write logs accesses to ann's and others' data.
func (w *world) write(entries ...access.Entry) (ids []string) {
	w.t.Helper()
	for _, e := range entries {
		if e.Project == "" {
			e.Project = w.Project.ID
		}
		e.Status = http.StatusOK
		if err := w.log.Write(w.t.Context(), &e); err != nil {
			w.t.Fatal(err)
		}
		ids = append(ids, e.ID)
	}
	return ids
}

func (w *world) person(id string) person.Key { return person.MakeKey(w.Project.Secret, id) }

// get asks for something that must be answered with a status.
func (w *world) get(path string, want int) []byte {
	w.t.Helper()
	rec := local.Call(w.t.Context(), w.api, http.MethodGet, path, w.Key, "")
	if rec.Code != want {
		w.t.Fatalf("GET %s: %d %s, want %d", path, rec.Code, rec.Body, want)
	}
	return rec.Body.Bytes()
}

// seal seals what there is of the tenant's project.
func (w *world) seal() {
	w.t.Helper()
	if code := w.Push(w.t.Context(), w.t, w.worker, []byte("{}")); code != http.StatusNoContent {
		w.t.Fatal(code)
	}
}

func (w *world) newKey(role project.Role) string {
	w.t.Helper()
	key, err := project.NewKey(w.t.Context(), w.Default, w.Project.ID, role)
	if err != nil {
		w.t.Fatal(err)
	}
	return key
}

func message(data string) *pubsub.Message { return &pubsub.Message{Data: []byte(data)} }
