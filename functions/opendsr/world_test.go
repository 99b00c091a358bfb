package opendsr_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"github.com/google/uuid"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/functions/opendsr"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/request"
	"github.com/lethe-analytics/lethe/shared/topology"
)

const domain = "lethe.example.com"

// keys are made once for all tests: that takes a while.
var keys = sync.OnceValues(func() (local.Keys, error) {
	dir, err := os.MkdirTemp("", "opendsr")
	if err != nil {
		return local.Keys{}, err
	}
	return local.MakeKeys(dir)
})

func TestMain(m *testing.M) {
	code := m.Run()
	if k, err := keys(); err == nil {
		_ = os.Remove(k.Receipt)
		_ = os.Remove(k.OpenDSR)
		_ = os.Remove(k.OpenDSRCert)
		_ = os.Remove(strings.TrimSuffix(k.Receipt, "/receipt-key.pem"))
	}
	os.Exit(code)
}

// world is a tenant with the function, and with workers as a test starts them.
type world struct {
	*local.Tenant
	t         *testing.T
	ps        *pubsub.Client
	config    opendsr.Config
	signer    *opendsr.Signer
	handler   http.Handler
	exports   request.Publishers
	deletions request.Publishers
	key       string // of role privacy
}

func newWorld(t *testing.T) *world {
	t.Helper()
	k, err := keys()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{Tenant: local.NewTenant(t, nil), t: t, config: opendsr.Config{
		PublicURL: "https://api.example.com", Domain: domain, KeyFile: k.OpenDSR, CertFile: k.OpenDSRCert,
		Timeout: time.Minute, CallbackTimeout: 5 * time.Second, AllowLoopback: true,
	}}
	w.ps = w.OpenPubSub(t)
	if w.signer, err = opendsr.NewSigner(w.config); err != nil {
		t.Fatal(err)
	}
	w.exports = request.Publishers{Tasks: w.topic(topology.TopicExports), Callbacks: w.topic(topology.TopicCallbacks)}
	w.deletions = request.Publishers{Tasks: w.topic(topology.TopicDeletions), Callbacks: w.topic(topology.TopicCallbacks)}
	w.handler = opendsr.New(w.config, w.Guard(t), w.signer, w.Default, w.exports, w.deletions)
	w.key = w.newKey("app", project.Privacy)
	return w
}

func (w *world) topic(name string) *queue.Publisher {
	return queue.NewPublisher(w.ps, name, 30*time.Second)
}

func (w *world) newKey(id string, role project.Role) string {
	w.t.Helper()
	key, err := project.NewKey(w.t.Context(), w.Default, id, role)
	if err != nil {
		w.t.Fatal(err)
	}
	return key
}

// relay pushes a subscription to a handler until the test ends.
func (w *world) relay(topic, function string, h http.Handler) {
	server := httptest.NewServer(h)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		(&local.Relay{Client: w.ps, URL: server.URL,
			Subscription: local.SubscriptionName(w.Config.Project, topology.PushSubscription(topic, function))}).Run(ctx)
	})
	w.t.Cleanup(func() { cancel(); running.Wait(); server.Close() })
}

// work does exports and deletions, each in one slice.
func (w *world) work(work request.Work) {
	w.relay(topology.TopicExports, "export-worker", request.Worker(w.Default, w.topic(topology.DeadTopic(topology.TopicExports)), w.exports, time.Minute, work))
	w.relay(topology.TopicDeletions, "delete-worker", request.Worker(w.Default, w.topic(topology.DeadTopic(topology.TopicDeletions)), w.deletions, time.Minute, work))
}

// callbacks makes the handler that calls back.
func (w *world) callbacks() http.Handler {
	return opendsr.NewWorker(w.config, w.signer, w.Default, w.topic(topology.TopicCallbacks), w.topic(topology.DeadTopic(topology.TopicCallbacks)))
}

// do makes a request with a key, and verifies how the answer is signed.
func (w *world) do(method, path, body string, key ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	r := httptest.NewRequestWithContext(w.t.Context(), method, path, strings.NewReader(body))
	k := w.key
	if len(key) > 0 {
		k = key[0]
	}
	if k != "" {
		r.Header.Set("Authorization", "Bearer "+k)
	}
	rec := httptest.NewRecorder()
	local.Serve(w.handler, rec, r)
	isOld, isNew := strings.HasPrefix(path, "/opengdpr_requests"), strings.HasPrefix(path, "/requests")
	w.verify(rec.Header(), rec.Body.Bytes(), !isOld, !isNew)
	return rec
}

// verify holds headers against the certificate: those of version 2.0, those of 1.0,
// or both.
func (w *world) verify(h http.Header, body []byte, v2, v1 bool) {
	w.t.Helper()
	certPEM, err := os.ReadFile(w.config.CertFile)
	if err != nil {
		w.t.Fatal(err)
	}
	block, _ := pem.Decode(certPEM)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		w.t.Fatal(err)
	}
	sum := sha256.Sum256(body)
	for prefix, want := range map[string]bool{"X-OpenDSR-": v2, "X-OpenGDPR-": v1} {
		signature, err := base64.StdEncoding.DecodeString(h.Get(prefix + "Signature"))
		switch {
		case !want:
			if len(signature) > 0 || h.Get(prefix+"Processor-Domain") != "" {
				w.t.Errorf("there are headers %s…", prefix)
			}
		case err != nil || h.Get(prefix+"Processor-Domain") != domain:
			w.t.Errorf("%s: %v %v", prefix, err, h)
		default:
			if err := rsa.VerifyPKCS1v15(cert.PublicKey.(*rsa.PublicKey), crypto.SHA256, sum[:], signature); err != nil {
				w.t.Errorf("%s of %s: %v", prefix, body, err)
			}
		}
	}
}

// answered expects a JSON answer of a status.
func (w *world) answered(rec *httptest.ResponseRecorder, code int, into any) {
	w.t.Helper()
	if rec.Code != code || rec.Header().Get("Content-Type") != "application/json" || rec.Header().Get("Cache-Control") != "no-store" {
		w.t.Fatalf("%d %v %s, want %d", rec.Code, rec.Header(), rec.Body, code)
	}
	if err := json.Unmarshal(rec.Body.Bytes(), into); err != nil {
		w.t.Fatal(err)
	}
}

// refusal is an error in OpenDSR's form.
type refusal struct {
	Error struct {
		Code    int
		Message string
		Errors  []struct{ Domain, Reason, Message string }
	}
}

// refused expects an error of a status.
func (w *world) refused(rec *httptest.ResponseRecorder, code int) refusal {
	w.t.Helper()
	var e refusal
	w.answered(rec, code, &e)
	if e.Error.Code != code || e.Error.Message == "" || len(e.Error.Errors) == 0 || e.Error.Errors[0].Message == "" {
		w.t.Errorf("%s", rec.Body)
	}
	return e
}

// ask is the body of a request; change alters its members, nil removes one.
func ask(id string, change map[string]any) string {
	b := map[string]any{
		"regulation": "gdpr", "subject_request_id": id, "subject_request_type": "erasure", "submitted_time": "2026-01-02T03:04:05Z",
		"subject_identities": []any{identity("controller_customer_id", "ann", "raw")}, "api_version": "2.0",
		"extensions": map[string]any{"other.example.com": map[string]any{"a": 1}},
	}
	for k, v := range change {
		b[k] = v
		if v == nil {
			delete(b, k)
		}
	}
	var text bytes.Buffer
	if err := json.NewEncoder(&text).Encode(b); err != nil {
		panic(err)
	}
	return text.String()
}

func identity(kind, value, format string) map[string]any {
	return map[string]any{"identity_type": kind, "identity_value": value, "identity_format": format}
}

// until waits for a status.
func (w *world) until(id, want string) (s opendsr.Status) {
	w.t.Helper()
	local.Eventually(w.t, 2*time.Minute, func() error {
		s = opendsr.Status{}
		w.answered(w.do("GET", "/requests/"+id, ""), http.StatusOK, &s)
		if s.Status != want {
			return fmt.Errorf("%+v, want %s", s, want)
		}
		return nil
	})
	return s
}

func newID() string { return uuid.NewString() }
