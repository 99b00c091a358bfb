package web_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/web"
)

const requestID = "0198e0b5-0000-7000-8000-000000000001"

func answer(h http.Handler, r *http.Request) (*httptest.ResponseRecorder, web.Problem) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var p web.Problem
	_ = json.Unmarshal(w.Body.Bytes(), &p)
	return w, p
}

// What the caller is told: of a fault in the input everything, of ours nothing but
// the request id.
func TestProblems(t *testing.T) {
	t.Parallel()
	secret := errors.New("user ann@example.com")
	for name, c := range map[string]struct {
		err    error
		code   int
		detail string
	}{
		"invalid":      {fault.InField("from", "must be a date"), 400, "from: must be a date"},
		"wrapped":      {fmt.Errorf("read: %w", fault.Wrap(fault.NotFound, secret, "no such person")), 404, "no such person"},
		"unauthorized": {fault.New(fault.Unauthorized, "who are you"), 401, "who are you"},
		"unknown":      {secret, 500, "something went wrong on our side"},
		"internal":     {fault.Wrap(fault.Internal, secret, "ann@example.com"), 500, "something went wrong on our side"},
		"grpc down":    {fmt.Errorf("read: %w", status.Error(codes.Unavailable, "ann@example.com")), 503, "did not answer in time"},
		"deadline":     {context.DeadlineExceeded, 503, "did not answer in time"},
		"grpc missing": {status.Error(codes.NotFound, "database"), 500, "something went wrong"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("X-Request-Id", requestID)
		w, p := answer(web.Handle(func(http.ResponseWriter, *http.Request) error { return c.err }), r)
		if w.Code != c.code || p.Status != c.code || !strings.Contains(p.Detail, c.detail) || strings.Contains(w.Body.String(), "ann@") ||
			w.Header().Get("Content-Type") != "application/problem+json" || p.RequestID != requestID || w.Header().Get("X-Request-Id") != requestID {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		r.Header.Set("X-Request-Id", "ann.smith") // not one that is kept
		if _, p := answer(web.Handle(func(http.ResponseWriter, *http.Request) error { return c.err }), r); len(p.RequestID) != len(requestID) {
			t.Errorf("%s: the request's id is %q", name, p.RequestID)
		}
		if w.Header().Get("Cache-Control") != "no-store" || (w.Header().Get("Retry-After") != "") != (c.code == 503) || (w.Header().Get("WWW-Authenticate") != "") != (c.code == 401) {
			t.Errorf("%s: headers %v", name, w.Header())
		}
	}
	for _, k := range []fault.Kind{fault.Invalid, fault.Unauthorized, fault.Forbidden, fault.NotFound, fault.Method, fault.Conflict,
		fault.TooLarge, fault.MediaType, fault.Timeout, fault.Unavailable, fault.Internal} {
		if web.Status(fault.New(k, "")) < 400 {
			t.Errorf("%s has no status", k)
		}
	}
}

func TestPanic(t *testing.T) {
	t.Parallel()
	w, p := answer(web.Handle(func(http.ResponseWriter, *http.Request) error { panic("ann@example.com") }), httptest.NewRequest("GET", "/", nil))
	if w.Code != 500 || p.RequestID == "" || strings.Contains(w.Body.String(), "ann@") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestReadJSON(t *testing.T) {
	t.Parallel()
	h := web.Handle(func(w http.ResponseWriter, r *http.Request) error {
		var in struct {
			Name string `json:"name"`
			N    int    `json:"n"`
		}
		if err := web.ReadJSON(w, r, 100, &in); err != nil {
			return err
		}
		web.WriteJSON(w, in)
		return nil
	})
	for body, c := range map[string]struct {
		code   int
		detail string
	}{
		`{"name":"a","n":1}`:  {200, ""},
		`{"name":"a","x":1}`:  {400, "unknown field at /x"},
		`{"n":"1"}`:           {400, `wrong type at "/n"`},
		`{"n":1,"n":2}`:       {400, "not valid JSON"},
		`{"n":1} x`:           {400, "not valid JSON"},
		"{\"name\":\"\xff\"}": {400, "not valid JSON"},
		`{"name":"` + strings.Repeat("x", 100) + `"}`: {413, "over 100 bytes"},
	} {
		w, p := answer(h, httptest.NewRequest("POST", "/", strings.NewReader(body)))
		if w.Code != c.code || !strings.Contains(p.Detail, c.detail) {
			t.Errorf("%q: %d %s", body, w.Code, w.Body)
		}
	}
}

func TestLazyTriesAgain(t *testing.T) {
	t.Parallel()
	n := 0
	h := http.HandlerFunc(web.Lazy(func(context.Context) (http.Handler, error) {
		if n++; n == 1 {
			return nil, errors.New("not yet")
		}
		return http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), nil
	}))
	for i, want := range []int{503, 200, 200} {
		if w, _ := answer(h, httptest.NewRequest("GET", "/", nil)); w.Code != want {
			t.Errorf("request %d: %d, want %d", i, w.Code, want)
		}
	}
	if n != 2 {
		t.Errorf("opened %d times", n)
	}
}

// logLine is what Cloud Logging reads of a line.
type logLine struct {
	Severity, Message, Trace string
	RequestID                string `json:"request_id"`
}

func TestLogger(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	log := web.NewLogger(w)
	req := httptest.NewRequest("GET", "/", nil)
	req.Header.Set("X-Request-Id", requestID)
	req.Header.Set("Traceparent", "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01")
	answer(web.Handle(func(_ http.ResponseWriter, r *http.Request) error {
		log.WarnContext(r.Context(), "hello", "n", 1)
		return nil
	}), req)
	w.Close()
	line, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		logLine
		Trace string `json:"logging.googleapis.com/trace"`
	}
	if err := json.Unmarshal(line, &got); err != nil {
		t.Fatal(err, string(line))
	}
	if got.Severity != "WARNING" || got.Message != "hello" || got.RequestID != requestID || !strings.HasSuffix(got.Trace, "/traces/0123456789abcdef0123456789abcdef") {
		t.Errorf("%s", line)
	}
}

// asFunction makes the test binary a function with a slow request.
const asFunction = "LETHE_TEST_FUNCTION"

func TestMain(m *testing.M) {
	if os.Getenv(asFunction) != "" {
		slowFunction()
		return
	}
	os.Exit(m.Run())
}

func slowFunction() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Addr())
	handler := web.Lazy(func(context.Context) (http.Handler, error) {
		return web.Handle(func(w http.ResponseWriter, r *http.Request) error {
			fmt.Println("working")
			if _, err := io.Copy(w, r.Body); err != nil { // until the client has sent all
				return err
			}
			return nil
		}), nil
	})
	_ = http.Serve(l, http.HandlerFunc(handler))
}

// SIGTERM waits for the requests in flight.
func TestShutdown(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asFunction+"=1")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }()
	lines := bufio.NewReader(stdout)
	addr, err := lines.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	body, send := io.Pipe()
	type result struct {
		text string
		err  error
	}
	done := make(chan result, 1)
	go func() {
		res, err := http.Post("http://"+strings.TrimSpace(addr), "text/plain", body)
		if err != nil {
			done <- result{err: err}
			return
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		done <- result{string(b), err}
	}()
	if _, err := lines.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if _, err := send.Write(bytes.Repeat([]byte("x"), 1000)); err != nil {
		t.Fatal(err)
	}
	send.Close()
	if r := <-done; r.err != nil || len(r.text) != 1000 {
		t.Errorf("the request in flight got %d bytes, %v", len(r.text), r.err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("exit after the last request: %v", err)
	}
}
