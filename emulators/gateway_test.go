package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/shared/web"
)

// gatewayTo is a gateway whose function person is at a port.
func gatewayTo(t *testing.T, port int) string {
	t.Helper()
	s := &system{functions: map[string]*function{}}
	for _, name := range []string{"ingest", "store", "report", "person", "dashboard"} {
		f := &function{port: port}
		f.Name = name
		s.functions[name] = f
	}
	g := httptest.NewServer(s.gateway())
	t.Cleanup(g.Close)
	return g.URL
}

func port(ln net.Listener) int { return ln.Addr().(*net.TCPAddr).Port }

func TestRoute(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/track": "ingest", "/track/": "ingest", "/import": "ingest", "/engage/x": "ingest",
		"/trackx": "dashboard", "/": "dashboard", "": "", "/v1/people": "dashboard", "/v1/people/a%2Fb": "person", "/v1/people/": "person",
		"/v1%2Fpeople/a": "dashboard", "/v1/reports/x": "report", "/store": "dashboard", "//track": "dashboard", "/requests": "opendsr", "/explore": "dashboard",
	} {
		if got, _ := route(path); got != want {
			t.Errorf("%s goes to %q, want %q", path, got, want)
		}
	}
}

// TestGatewayPassesOn sends odd requests through, byte by byte.
func TestGatewayPassesOn(t *testing.T) {
	t.Parallel()
	f := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s host=%s region=%s for=%s", r.RequestURI, r.Host, r.Header.Get("X-Client-Region"), strings.Join(r.Header.Values("X-Forwarded-For"), ","))
	}))
	t.Cleanup(f.Close)
	gateway := gatewayTo(t, port(f.Listener))
	for _, target := range []string{"/v1/people/a%2Fb%20c%F0%9F%98%80//..?x=1;2&y=%zz&data=a+b%2B", "/v1/people/../x"} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(gateway, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: lethe.test\r\nX-Client-Region: DE\r\nX-Forwarded-For: 192.0.2.1\r\nConnection: close\r\n\r\n", target)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		want := target + " host=lethe.test region=DE for=192.0.2.1, 127.0.0.1"
		if string(body) != want {
			t.Errorf("got  %s\nwant %s", body, want)
		}
	}
}

// TestGatewayFaults answers for functions that do not.
func TestGatewayFaults(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	down := gatewayTo(t, port(ln))
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	dies := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	t.Cleanup(dies.Close)
	for _, c := range []struct {
		url  string
		code int
		text string
	}{
		{down + "/v1/people/a", 503, "is being started again"},
		{gatewayTo(t, port(dies.Listener)) + "/v1/people/a", 502, "ended while it worked"},
		{down + "/nothing", 503, "is being started again"}, // the dashboard's
	} {
		client := &http.Client{Timeout: 10 * time.Second}
		resp, err := client.Post(c.url, "application/json", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != c.code || !strings.Contains(string(body), c.text) ||
			resp.Header.Get("Content-Type") != "application/problem+json" || (c.code > 500) != (resp.Header.Get("Retry-After") != "") {
			t.Errorf("%s: %d %v %s", c.url, resp.StatusCode, resp.Header, body)
		}
	}
}

func TestPrefixer(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	p := &prefixer{prefix: "x | ", out: &out}
	for _, s := range []string{"a\nb", "c\n", "", "\n", "d"} {
		if n, err := p.Write([]byte(s)); n != len(s) || err != nil {
			t.Fatal(n, err)
		}
	}
	if want := "x | a\nx | bc\nx | \n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
	out.Reset()
	if _, err := p.Write([]byte(strings.Repeat("z", maxPart+1))); err != nil || out.Len() < maxPart {
		t.Errorf("a line without end: %d bytes out, %v", out.Len(), err)
	}
}

// TestGatewayStall sends the beginning of a body. The function gives it up, and
// its answer does not wait for the rest.
func TestGatewayStall(t *testing.T) {
	t.Parallel()
	f := httptest.NewServer(web.HandleWith(func(w http.ResponseWriter, r *http.Request) error {
		_, err := web.ReadBody(w, r, 1000)
		return err
	}, web.WriteProblem, 100*time.Millisecond))
	t.Cleanup(f.Close)
	conn, err := net.Dial("tcp", strings.TrimPrefix(gatewayTo(t, port(f.Listener)), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "POST /track HTTP/1.1\r\nHost: lethe.test\r\nContent-Length: 900\r\n\r\n[{")
	if err := conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != http.StatusRequestTimeout {
		t.Fatalf("%v, %v; want 408", resp, err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(body), "did not arrive in time") {
		t.Errorf("%s, %v", body, err)
	}
}
