package ingest_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"google.golang.org/api/option"
	"google.golang.org/grpc"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/functions/ingest"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/topology"
)

// system is the ingest function of one test, behind a real HTTP server.
type system struct {
	*local.Tenant
	t   testing.TB
	ps  *pubsub.Client
	url string
}

func config(c *local.Tenant) ingest.Config {
	return ingest.Config{Config: c.Config, Linger: 5 * time.Millisecond, EdgeTimeout: 10 * time.Second, PublishTimeout: 10 * time.Second,
		ReadTimeout: 10 * time.Second, LargeWait: 10 * time.Second, CacheTTL: time.Minute, TrustRegion: true}
}

func newSystem(t testing.TB, change func(*project.Project)) *system {
	s := &system{Tenant: local.NewTenant(t, change), t: t}
	s.ps = s.OpenPubSub(t, topology.TopicEvents)
	s.serve(config(s.Tenant))
	return s
}

func (s *system) serve(c ingest.Config) {
	srv := httptest.NewServer(local.Checked(s.t, ingest.New(c, s.Edge, s.ps)))
	s.t.Cleanup(srv.Close)
	s.url = srv.URL
}

// answer is a response, read.
type answer struct {
	code   int
	body   string
	header http.Header
}

func (s *system) do(r *http.Request) answer {
	s.t.Helper()
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{res.StatusCode, strings.TrimSpace(string(b)), res.Header}
}

func (s *system) request(method, path, contentType, body string) *http.Request {
	s.t.Helper()
	r, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	return r
}

func (s *system) post(path, contentType, body string) answer {
	s.t.Helper()
	return s.do(s.request(http.MethodPost, path, contentType, body))
}

// event writes one event that was sent with the tenant's token.
func (s *system) event(id, more string) string {
	return fmt.Sprintf(`{"event":"Seen","properties":{"token":%q,"distinct_id":%q,"time":%d,"$insert_id":"i-1"%s}}`, s.Token, id, time.Now().Unix(), more)
}

// published collects what is in the topic until n items have come.
func (s *system) published(n int) (events []event.Event, ops []event.Op, messages int) {
	s.t.Helper()
	sub := topology.PushSubscription(topology.TopicEvents, "store")
	for len(events)+len(ops) < n {
		for _, m := range s.Pull(s.t, s.ps, sub, 100) {
			messages++
			if m.Attributes[queue.AttrProject] != "app" {
				s.t.Errorf("attributes %v", m.Attributes)
			}
			err := event.Unpack(m.Data,
				func(e *event.Event) error { events = append(events, *e); return nil },
				func(o *event.Op) error { ops = append(ops, *o); return nil })
			if err != nil {
				s.t.Fatal(err)
			}
		}
	}
	if len(events)+len(ops) != n {
		s.t.Fatalf("%d events and %d operations, want %d", len(events), len(ops), n)
	}
	return events, ops, messages
}

const (
	formType   = "application/x-www-form-urlencoded"
	jsonType   = "application/json"
	ndjsonType = "application/x-ndjson"
)

func zipped(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(s))
	_ = w.Close()
	return b.String()
}

// Every form in which the contract lets an event come.
func TestTrackForms(t *testing.T) {
	t.Parallel()
	s := newSystem(t, nil)
	one := s.event("ann", `,"url":"https://x/?a=b+c&d","é":"☕"`)
	b64 := base64.StdEncoding.EncodeToString([]byte(one))
	requests := map[string]*http.Request{
		"json":              s.request("POST", "/track", jsonType, one),
		"json array":        s.request("POST", "/track/?ip=1&_=123&callback=x", jsonType, "["+one+"]"),
		"json as form":      s.request("POST", "/track", formType, " "+one),
		"json, no type":     s.request("POST", "/track", "", one),
		"json with charset": s.request("POST", "/track", "application/json; charset=utf-8", one),
		"form json":         s.request("POST", "/track/", formType, "data="+url.QueryEscape(one)),
		"form base64":       s.request("POST", "/track/", formType, "verbose=1&data="+url.QueryEscape(b64)),
		"form raw base64":   s.request("POST", "/track/", formType, "data="+b64),
		"form URL base64":   s.request("POST", "/track/", formType, "data="+base64.RawURLEncoding.EncodeToString([]byte(one))),
		"beacon":            s.request("POST", "/track/", "text/plain;charset=UTF-8", "data="+url.QueryEscape(b64)),
		"get":               s.request("GET", "/track?data="+url.QueryEscape(b64), "", ""),
		"get json":          s.request("GET", "/track/?data="+url.QueryEscape(one), "", ""),
		"gzip":              s.request("POST", "/track", jsonType, zipped(one)),
		"gzip unsaid":       s.request("POST", "/track", jsonType, zipped(one)),
		"gzip form":         s.request("POST", "/track/", formType, zipped("data="+b64)),
	}
	requests["gzip"].Header.Set("Content-Encoding", "gzip")
	requests["gzip form"].Header.Set("Content-Encoding", "gzip")
	for name, r := range requests {
		if a := s.do(r); a.code != 200 || a.body != "1" {
			t.Errorf("%s: %d %s", name, a.code, a.body)
		}
	}
	events, _, _ := s.published(len(requests))
	for _, e := range events {
		if e.DistinctID != "ann" || e.Properties != `{"url":"https://x/?a=b+c&d","é":"☕"}` || e.InsertID != "i-1" || e.OptIn || e.Received == 0 {
			t.Errorf("%+v", e)
		}
	}
}

// Half of a surrogate pair costs neither an event nor a profile's update, unless it is in
// the id of a person.
func TestHalfPairs(t *testing.T) {
	t.Parallel()
	s := newSystem(t, nil)
	one := s.event("ann", `,"title":"cut \ud83d","a\ude00":["\ud83d"]`)
	update := func(id string) string {
		return `{"$token":"` + s.Token + `","$distinct_id":"` + id + `","$set":{"title":"cut \ud83d","a\ude00":["\ud83d"]}}`
	}
	for name, got := range map[string]answer{
		"/track":  s.post("/track?verbose=1", jsonType, one),
		"/import": s.imports(s.Token, "", "?strict=1", ndjsonType, one+"\n"),
		"/engage": s.post("/engage?verbose=1", jsonType, update("ann")),
	} {
		if want := map[bool]string{false: `{"status":1,"error":null}`, true: `{"code":200,"num_records_imported":1,"status":"OK"}`}[name == "/import"]; got.body != want {
			t.Errorf("%s: got %d %s, want %s", name, got.code, got.body, want)
		}
	}
	const want = `{"title":"cut \ufffd","a\ufffd":["\ufffd"]}`
	events, ops, _ := s.published(3)
	texts := []string{ops[0].Value}
	for _, e := range events {
		texts = append(texts, e.Properties)
	}
	for _, text := range texts {
		if plain := strings.ReplaceAll(text, "\ufffd", `\ufffd`); plain != want {
			t.Errorf("got %s, want %s", text, want)
		}
	}
	for path, body := range map[string]string{"/track": strings.Replace(one, `"ann"`, `"ann\ud83d"`, 1), "/engage": update(`ann\ud83d`)} {
		if got := s.post(path+"?verbose=1", jsonType, body); !strings.Contains(got.body, "distinct_id holds half of a surrogate pair") || !strings.Contains(got.body, `"status":0`) {
			t.Errorf("%s: got %d %s, want a refusal", path, got.code, got.body)
		}
	}
}

func TestTrackAnswers(t *testing.T) {
	t.Parallel()
	s := newSystem(t, nil)
	good, bad := s.event("ann", ""), s.event("undefined", "")
	unknown := strings.Replace(good, s.Token, "no-such-token", 1)
	for name, c := range map[string]struct {
		path, body string
		code       int
		want       string
	}{
		"good":             {"/track", good, 200, "1"},
		"verbose":          {"/track?verbose=1", good, 200, `{"status":1,"error":null}`},
		"empty batch":      {"/track", "[]", 200, "1"},
		"bad":              {"/track", bad, 200, "0"},
		"bad, verbose":     {"/track?verbose=1", bad, 200, `{"status":0,"error":"properties.distinct_id stands for nobody in particular"}`},
		"some bad":         {"/track", "[" + good + "," + bad + "]", 200, "1"},
		"some, verbose":    {"/track?verbose=1", "[" + good + "," + bad + "]", 200, `{"status":1,"error":"properties.distinct_id stands for nobody in particular"}`},
		"unknown token":    {"/track", unknown, 401, "0"},
		"unknown, verbose": {"/track?verbose=1", unknown, 401, `{"status":0,"error":"the token is missing or unknown"}`},
		"some unknown":     {"/track?verbose=1", "[" + good + "," + unknown + "]", 200, `{"status":1,"error":"the token is missing or unknown"}`},
		"no token":         {"/track", `{"event":"x","properties":{}}`, 401, "0"},
		"not JSON":         {"/track?verbose=1", `{"event":`, 200, `{"status":0,"error":"the body is not valid JSON (at byte 9)"}`},
		"not JSON, terse":  {"/track", "hello", 200, "0"},
		"nothing":          {"/track", "", 200, "0"},
		"2,001 events":     {"/track", "[" + strings.Repeat(good+",", 2000) + good + "]", 413, "0"},
		"engage":           {"/engage", `{"$token":"` + s.Token + `","$distinct_id":"ann","$set":{"a":1}}`, 200, "1"},
		"engage, bad":      {"/engage/?verbose=1", `{"$token":"` + s.Token + `","$distinct_id":"ann","$set":1}`, 200, `{"status":0,"error":"$set must be an object"}`},
		"engage, no token": {"/engage", `{"$distinct_id":"ann","$set":{}}`, 401, "0"},
	} {
		if a := s.post(c.path, jsonType, c.body); a.code != c.code || a.body != c.want {
			t.Errorf("%s: %d %s; want %d %s", name, a.code, a.body, c.code, c.want)
		}
	}
	s.published(6) // good, verbose, some bad, some verbose, some unknown, engage
	img := s.post("/track?img=1", jsonType, good)
	if img.header.Get("Content-Type") != "image/gif" || !strings.HasPrefix(img.body, "GIF89a") {
		t.Errorf("img=1: %q", img.body)
	}
	if a := s.do(s.request("PUT", "/track", jsonType, good)); a.code != 405 || a.header.Get("Allow") == "" {
		t.Errorf("PUT: %d", a.code)
	}
	var problem struct{ Type string }
	a := s.do(s.request("GET", "/tracks", "", ""))
	if err := json.Unmarshal([]byte(a.body), &problem); err != nil || a.code != 404 || problem.Type != "urn:lethe:problem:not-found" {
		t.Errorf("unknown path: %d %s", a.code, a.body)
	}
}

func TestCORS(t *testing.T) {
	t.Parallel()
	s := newSystem(t, nil)
	pre := s.request("OPTIONS", "/track/", "", "")
	pre.Header.Set("Origin", "https://app.example")
	pre.Header.Set("Access-Control-Request-Method", "POST")
	pre.Header.Set("Access-Control-Request-Headers", "content-type, x-requested-with")
	post := s.request("POST", "/track/", jsonType, s.event("ann", ""))
	post.Header.Set("Origin", "https://app.example")
	bad := s.request("POST", "/track/", jsonType, "x")
	bad.Header.Set("Origin", "https://app.example")
	for name, r := range map[string]*http.Request{"preflight": pre, "post": post, "error": bad} {
		a := s.do(r)
		if a.header.Get("Access-Control-Allow-Origin") != "https://app.example" || a.header.Get("Access-Control-Allow-Credentials") != "true" ||
			a.header.Get("Vary") != "Origin" {
			t.Errorf("%s: %d %v", name, a.code, a.header)
		}
		if name == "preflight" && (a.code != 204 || a.header.Get("Access-Control-Allow-Headers") != "content-type, x-requested-with" ||
			!strings.Contains(a.header.Get("Access-Control-Allow-Methods"), "POST")) {
			t.Errorf("preflight: %d %v", a.code, a.header)
		}
	}
	for length, want := range map[int]string{512: strings.Repeat("x", 512), 513: ""} {
		pre := s.request("OPTIONS", "/track/", "", "")
		pre.Header.Set("Access-Control-Request-Headers", strings.Repeat("x", length))
		if a := s.do(pre); a.header.Get("Access-Control-Allow-Headers") != want {
			t.Errorf("preflight for a header of %d characters: %d %v", length, a.code, a.header)
		}
	}
}

// Requests that arrive while a message is on its way share the next: here the first is
// not answered before the second has begun, at the end of its linger.
func TestGroupCommit(t *testing.T) {
	t.Parallel()
	s := newSystem(t, nil)
	var begun atomic.Int32
	first, second := make(chan struct{}), make(chan struct{})
	var err error
	s.ps, err = gcp.OpenPubSub(t.Context(), s.Config, option.WithGRPCDialOption(grpc.WithUnaryInterceptor(
		func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			if strings.HasSuffix(method, "/Publish") {
				switch begun.Add(1) {
				case 2: // one before has warmed the caches
					close(first)
					<-second
				case 3:
					close(second)
				}
			}
			return invoke(ctx, method, req, reply, cc, opts...)
		})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.ps.Close() })
	c := config(s.Tenant)
	c.Linger = 300 * time.Millisecond // so that a slow machine groups them too
	s.serve(c)
	s.post("/track", jsonType, s.event("ann", "")) // warms the caches
	const n = 40
	done := make(chan answer, n)
	for i := range n {
		if i == 1 {
			<-first
		}
		go func() { done <- s.post("/track", jsonType, s.event(fmt.Sprint("p", i), "")) }()
	}
	for range n {
		if a := <-done; a.body != "1" {
			t.Errorf("%d %s", a.code, a.body)
		}
	}
	if _, _, messages := s.published(n + 1); messages > n/4 {
		t.Errorf("%d requests made %d messages", n, messages)
	}
}

// Pub/Sub out of reach: 503 with Retry-After, nothing claimed.
func TestQueueDown(t *testing.T) {
	t.Parallel()
	s := newSystem(t, nil)
	down, err := pubsub.NewClient(context.Background(), local.Project(t)) // has no topic: every publish fails
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = down.Close() })
	s.ps = down
	c := config(s.Tenant)
	c.PublishTimeout = 500 * time.Millisecond
	s.serve(c)
	s.unavailable(s.request("POST", "/consent", jsonType, `{"token":"`+s.Token+`","distinct_id":"ann","state":"denied"}`))
}

// An edge database that answers no more: the same, both while a token is not known and
// while it is remembered.
func TestEdgeDown(t *testing.T) {
	t.Parallel()
	s := newSystem(t, nil)
	c := s.stallEdge()
	ask := func() *http.Request {
		return s.request("GET", "/consent?token="+s.Token+"&distinct_id=$device:ann", "", "")
	}
	s.unavailable(ask())
	s.serve(c)
	s.unavailable(ask())
}

// stallEdge lets the edge database answer no more, while the tenant's token is remembered.
func (s *system) stallEdge() ingest.Config {
	s.t.Helper()
	var stalled atomic.Bool
	conn := local.Dial(s.t, os.Getenv("FIRESTORE_EMULATOR_HOST"), grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		return &stallingConn{Conn: conn, stalled: &stalled, closed: make(chan struct{})}, err
	}))
	var err error
	if s.Edge, err = gcp.OpenFirestore(s.t.Context(), s.Config, topology.EdgeDatabase, option.WithGRPCConn(conn)); err != nil {
		s.t.Fatal(err)
	}
	c := config(s.Tenant)
	c.EdgeTimeout = 500 * time.Millisecond
	s.serve(c)
	if a := s.do(s.request("POST", "/track", jsonType, s.event("bob", ""))); a.body != "1" {
		s.t.Fatalf("got %d %s, want 1", a.code, a.body)
	}
	stalled.Store(true)
	return c
}

// stallingConn is a connection on which nothing arrives any more, from a moment on.
type stallingConn struct {
	net.Conn
	stalled *atomic.Bool
	once    sync.Once
	closed  chan struct{}
}

// Read implements net.Conn.
func (c *stallingConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.stalled.Load() {
		<-c.closed
		return 0, net.ErrClosed
	}
	return n, err
}

// Close implements net.Conn.
func (c *stallingConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// unavailable demands that nothing is taken, nor what is asked of consent answered.
func (s *system) unavailable(consent *http.Request) {
	s.t.Helper()
	importReq := s.request("POST", "/import?strict=1", jsonType, "["+s.event("ann", "")+"]")
	importReq.SetBasicAuth(s.Token, "")
	for path, r := range map[string]*http.Request{
		"/track":   s.request("POST", "/track?verbose=1", jsonType, s.event("ann", "")),
		"/engage":  s.request("POST", "/engage?verbose=1", jsonType, `{"$token":"`+s.Token+`","$distinct_id":"ann","$set":{}}`),
		"/import":  importReq,
		"/consent": consent,
	} {
		a := s.do(r)
		if a.code != 503 || a.header.Get("Retry-After") == "" || strings.Contains(a.body, `"status":1`) || strings.Contains(a.body, "OK") {
			s.t.Errorf("%s: %d %v %s", path, a.code, a.header, a.body)
		}
	}
}
