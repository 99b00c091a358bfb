package export_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/storage"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/emulators/local/localstorage"
	"github.com/lethe-analytics/lethe/functions/export"
	"github.com/lethe-analytics/lethe/functions/store"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/objects"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/request"
	"github.com/lethe-analytics/lethe/shared/topology"
)

// world is a tenant with the functions that export and that store.
type world struct {
	*local.Tenant
	t      testing.TB
	ps     *pubsub.Client
	bucket *storage.BucketHandle
	key    string // role privacy
	config export.Config
	api    http.Handler
	worker http.Handler
	store  http.Handler
}

func newWorld(t testing.TB, slice, ttl time.Duration) *world {
	t.Helper()
	w := &world{Tenant: local.NewTenant(t, nil), t: t}
	w.ps = w.OpenPubSub(t)
	var cloud *localstorage.Storage
	cloud, w.bucket = localstorage.OpenBucket(t, w.Tenant)
	w.key = w.newKey(w.Project, project.Privacy)
	w.config = export.Config{Config: w.Config, Signing: objects.Signing{KeyFile: cloud.KeyFile, Account: localstorage.SigningAccount},
		URLTTL: ttl, Timeout: time.Minute, PublishTimeout: 30 * time.Second, Slice: slice}
	signer, err := objects.NewURLSigner(w.config.Signing, w.bucket)
	if err != nil {
		t.Fatal(err)
	}
	pubs := request.Publishers{Tasks: queue.NewPublisher(w.ps, topology.TopicExports, 30*time.Second)}
	w.api = export.New(w.config, w.Guard(t), w.Default, signer, pubs)
	w.worker = export.NewWorker(w.config, w.Default, w.bucket, queue.NewPublisher(w.ps, topology.DeadTopic(topology.TopicExports), 30*time.Second), pubs)
	w.store = store.New(w.Databases, queue.NewPublisher(w.ps, topology.DeadTopic(topology.TopicEvents), 30*time.Second),
		queue.NewPublisher(w.ps, topology.TopicLinks, 30*time.Second))
	return w
}

// work exports until the test ends.
func (w *world) work() { w.Work(w.t, w.ps, topology.TopicExports, "export-worker", w.worker) }

func (w *world) newKey(p project.Project, role project.Role) string {
	w.t.Helper()
	key, err := project.NewKey(w.t.Context(), w.Default, p.ID, role)
	if err != nil {
		w.t.Fatal(err)
	}
	return key
}

// call makes a request that must be answered with a status; the answer is decoded
// unless into is nil.
func (w *world) call(method, path, body string, want int, into any) (text string) {
	w.t.Helper()
	rec := local.Call(w.t.Context(), w.api, method, path, w.key, body)
	if rec.Code != want {
		w.t.Fatalf("%s %s: %d %s, want %d", method, path, rec.Code, rec.Body, want)
	}
	if into != nil {
		if err := json.Unmarshal(rec.Body.Bytes(), into); err != nil {
			w.t.Fatalf("%s: %v", rec.Body, err)
		}
	}
	return rec.Body.String()
}

// ask asks for an export.
func (w *world) ask(body string) (e export.Export) {
	w.t.Helper()
	w.call(http.MethodPost, "/v1/exports", body, http.StatusAccepted, &e)
	return e
}

// until waits for a status.
func (w *world) until(id string, want request.Status) (e export.Export) {
	w.t.Helper()
	local.Eventually(w.t, 2*time.Minute, func() error {
		e = export.Export{}
		w.call(http.MethodGet, "/v1/exports/"+id, "", http.StatusOK, &e)
		if e.Status == want {
			return nil
		}
		if e.Status.Final() {
			w.t.Fatalf("%+v, want %s", e, want)
		}
		return fmt.Errorf("%+v, want %s", e, want)
	})
	return e
}

// fetch downloads a URL.
func (w *world) fetch(url string) (int, []byte) {
	w.t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, body
}

// archive downloads an export's archive and checks it against its manifest.
func (w *world) archive(e export.Export) map[string]string {
	w.t.Helper()
	code, body := w.fetch(e.URL)
	if code != http.StatusOK || int64(len(body)) != e.Contents.Bytes {
		w.t.Fatalf("%d, %d bytes: %.300s", code, len(body), body)
	}
	z, err := zip.NewReader(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		w.t.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			w.t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			w.t.Fatalf("%s: %v", f.Name, err)
		}
		files[f.Name] = string(text)
	}
	var m export.Manifest
	if err := json.Unmarshal([]byte(files["manifest.json"]), &m); err != nil {
		w.t.Fatal(err)
	}
	if len(m.Files) != len(files)-1 || m.Events != e.Contents.Events || len(files) != e.Contents.Files {
		w.t.Errorf("manifest of %d files and %d events; the archive has %d files, the answer says %+v", len(m.Files), m.Events, len(files), e.Contents)
	}
	for _, f := range m.Files {
		sum := sha256.Sum256([]byte(files[f.Name]))
		if hex.EncodeToString(sum[:]) != f.SHA256 || len(files[f.Name]) != int(f.Bytes) {
			w.t.Errorf("%s is not what the manifest says", f.Name)
		}
	}
	if !strings.Contains(files["index.html"], e.ID) {
		w.t.Errorf("index: %s", files["index.html"])
	}
	return files
}

func (w *world) personKey(id string) person.Key { return person.MakeKey(w.Project.Secret, id) }

// ev makes an event that was received a minute ago; n makes it unique.
func ev(id, name string, n int, when, props string) event.Event {
	t, err := time.Parse(time.DateTime, when)
	if err != nil {
		panic(err)
	}
	return event.Event{Name: name, DistinctID: id, InsertID: fmt.Sprint("i", n), Time: event.Millis(t.UnixMilli()), Received: event.Now() - 60_000, Properties: props}
}
