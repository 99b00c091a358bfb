package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/emulators/local/localstorage"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/topology"
)

// coldMain is what Google's Go buildpack makes of a function.
const coldMain = `package main

import (
	"os"

	"github.com/GoogleCloudPlatform/functions-framework-go/funcframework"
	_ "github.com/lethe-analytics/lethe/functions/%s"
)

func main() { _ = funcframework.StartHostPort("127.0.0.1", os.Getenv("PORT")) }
`

// coldRequest is the first that a function is asked.
type coldRequest struct{ method, path, body string }

// coldRequests are those of each function, by its name, for a project "app".
func coldRequests(token string) map[string]coldRequest {
	today := time.Now().UTC().Format(time.DateOnly)
	e := event.Event{Name: "Seen", DistinctID: "ann", InsertID: "i", Time: event.Now(), Received: event.Now(), Properties: "{}"}
	push := func(data []byte) coldRequest {
		text, err := json.Marshal(map[string]any{"message": map[string]any{"data": data, "messageId": "1",
			"attributes": map[string]string{queue.AttrProject: "app"}}})
		if err != nil {
			panic(err) // of texts and bytes there is always JSON
		}
		return coldRequest{"POST", "/", string(text)}
	}
	get := func(path string) coldRequest { return coldRequest{"GET", path, ""} }
	slice := push(fmt.Appendf(nil, `{"project":"app","request":%q,"status":"done"}`, uuid.NewString())) // of a request that is gone
	return map[string]coldRequest{
		"ingest":      {"POST", "/track", fmt.Sprintf(`{"event":"Seen","properties":{"token":%q,"distinct_id":"ann"}}`, token)},
		"store":       push(event.PackFast(event.AppendEvent(nil, &e))),
		"link-worker": push([]byte(`{}`)),
		"report":      get("/v1/reports/segmentation?event=Seen&from=" + today + "&to=" + today),
		"person":      get("/v1/people/ann"),
		"export":      get("/v1/exports"),
		"delete":      get("/v1/deletions"),
		"opendsr":     get("/discovery"),

		"admin": get("/v1/project"), "admin-worker": push([]byte("{}")),
		"retention": get("/v1/retention"), "retention-worker": push([]byte(`{"project":"gone"}`)),
		"incident": get("/v1/webhooks"), "incident-worker": push([]byte("{}")), "webhook-worker": push([]byte("{}")),
		"dashboard": get("/guides"),

		"person-worker": slice, "export-worker": slice, "delete-worker": slice, "opendsr-worker": slice,
	}
}

// The benchmark ends at a function that it has no request for, and scripts/bench with
// it: no function comes without one.
func TestColdRequests(t *testing.T) {
	t.Parallel()
	requests := coldRequests("token")
	for _, f := range topology.Functions {
		if _, ok := requests[f.Name]; !ok {
			t.Errorf("no request for function %s", f.Name)
		}
		delete(requests, f.Name)
	}
	for name := range requests {
		t.Errorf("there is no function %s", name)
	}
}

// BenchmarkColdStart measures each function, built on its own, from exec to its
// first answer: a request that it works for, with its clients to be opened.
func BenchmarkColdStart(b *testing.B) {
	tenant := local.NewTenant(b, nil)
	tenant.OpenPubSub(b, topology.TopicEvents, topology.TopicCallbacks)
	localstorage.OpenBucket(b, tenant)
	keys, err := local.MakeKeys(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	for name, value := range map[string]string{
		"LETHE_BUCKET": tenant.Config.Bucket, "LETHE_PUBLIC_URL": "http://localhost:8080", "LETHE_API_URL": "http://localhost:8080",
		"LETHE_RECEIPT_KEY_FILE": keys.Receipt, "LETHE_OPENDSR_KEY_FILE": keys.OpenDSR, "LETHE_OPENDSR_CERT_FILE": keys.OpenDSRCert,
		"LETHE_OPENDSR_DOMAIN": "localhost", "LETHE_LOG_KEY_FILE": keys.AccessLog,
		"LETHE_SMTP_HOST": "localhost", "LETHE_MAIL_FROM": "lethe@localhost", "LETHE_SECURITY_MAIL": "security@localhost",
	} {
		b.Setenv(name, value)
	}
	requests := coldRequests(tenant.Token)
	for _, f := range topology.Functions {
		r := requests[f.Name]
		binary := buildAlone(b, f.Folder)
		b.Run(f.Name, func(b *testing.B) {
			for b.Loop() {
				code := coldStart(b, binary, f.EntryPoint, tenant, r.method, r.path, r.body)
				if code != http.StatusOK && (f.Topic == "" || code != http.StatusNoContent) {
					b.Fatalf("status %d", code)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/first-answer")
			if info, err := os.Stat(binary); err == nil {
				b.ReportMetric(float64(info.Size())/1e6, "MB")
			}
		})
	}
}

func buildAlone(b *testing.B, function string) string {
	dir := filepath.Join("..", ".lethe", "coldstart", function)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "main.go"), fmt.Appendf(nil, coldMain, function), 0o644); err != nil {
		b.Fatal(err)
	}
	binary := filepath.Join(b.TempDir(), function)
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", binary, ".")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	return binary
}

// coldStart starts a function, asks until it answers, and returns the status.
func coldStart(b *testing.B, binary, entryPoint string, tenant *local.Tenant, method, path, body string) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	cmd := exec.Command(binary)
	cmd.Env = append(os.Environ(), "FUNCTION_TARGET="+entryPoint, "PORT="+strconv.Itoa(port), "GOOGLE_CLOUD_PROJECT="+tenant.Config.Project)
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); time.Since(began) < 30*time.Second; <-tick.C {
		req, err := http.NewRequest(method, fmt.Sprintf("http://127.0.0.1:%d%s", port, path), strings.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+tenant.Key)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			continue
		}
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		return res.StatusCode
	}
	b.Fatal("no answer")
	return 0
}
