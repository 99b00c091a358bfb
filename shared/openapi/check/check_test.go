package check

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func spec(t *testing.T) *Spec {
	t.Helper()
	s, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestWrap sends requests and answers that keep to the description and such that
// do not.
func TestWrap(t *testing.T) {
	t.Parallel()
	const (
		problem = `{"type":"urn:lethe:problem:not-found","title":"Not found","status":404,"request_id":"x"}`
		hold    = `{"held":true,"since":"2026-11-01T00:00:00Z","reason":"x"}`
	)
	for _, c := range []struct {
		method, path, body string
		status             int
		kind, answer       string
		want               string // in what is told; empty: nothing is
	}{
		{"GET", "/v1/retention/hold", "", 200, "application/json", hold, ""},
		{"GET", "/v1/retention/hold", "", 200, "application/json", `{"since":"2026-11-01T00:00:00Z"}`, "missing property 'held'"},
		{"GET", "/v1/retention/hold", "", 200, "application/json", `{"held":true,"new":1}`, "additional properties 'new'"},
		{"GET", "/v1/retention/hold", "", 200, "application/json", `{"held":true,"since":"yesterday"}`, "date-time"},
		{"GET", "/v1/retention/hold", "", 200, "text/html", `<p>`, "media type text/html"},
		{"GET", "/v1/retention/hold", "", 200, "application/json", `{`, "not JSON"},
		{"GET", "/v1/retention/hold", "", 418, "application/json", `{}`, "status is not described"},
		{"HEAD", "/v1/retention/hold", "", 200, "application/json", "", ""},
		{"GET", "/v1/retention/hold?x=1", "", 200, "application/json", hold, "parameter x"},
		{"GET", "/v1/retention/holds/a%2Fb", "", 404, "application/problem+json", problem, ""},
		{"GET", "/v1/retention/holds/a%2Fb", "", 404, "application/problem+json", `{"error":"x"}`, "missing properties"},
		{"PUT", "/v1/retention/hold", `{"reason":"x"}`, 200, "application/json", hold, ""},
		{"PUT", "/v1/retention/hold", `{"why":"x"}`, 200, "application/json", hold, "body of the request"},
		{"PUT", "/v1/retention/hold", `{"why":"x"}`, 400, "application/problem+json", strings.ReplaceAll(problem, "404", "400"), ""}, // broken on purpose
		{"DELETE", "/v1/keys/0123456789abcdef", "", 204, "", "", ""},
		{"DELETE", "/v1/keys/0123456789abcdef", "", 204, "application/json", "{}", "a body, where none is described"},
		{"GET", "/v1/reports/top-events?from=2026-11-01", "", 200, "application/json", `{"from":"2026-11-01","to":"2026-11-01","events":[],"computed_at":"2026-11-01T00:00:00Z"}`, "parameter to is said to be required"},
		{"GET", "/v1/reports/top-events?from=2026-11-01&to=x", "", 200, "application/json", `{"from":"2026-11-01","to":"2026-11-01","events":[],"computed_at":"2026-11-01T00:00:00Z"}`, "parameter to"},
		{"GET", "/v1/reports/top-events?from=2026-11-01&to=2026-11-01&limit=0", "", 200, "application/json", `{"from":"2026-11-01","to":"2026-11-01","events":[],"computed_at":"2026-11-01T00:00:00Z"}`, "parameter limit"},
		{"POST", "/track/", `[]`, 200, "text/plain; charset=utf-8", "1", ""},
		{"POST", "/track/", `[]`, 200, "text/plain; charset=utf-8", "2", "value must be one of"},
		{"GET", "/elsewhere", "", 418, "text/html", "x", ""},
	} {
		var told []string
		h := spec(t).Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if got, err := io.ReadAll(r.Body); err != nil || string(got) != c.body {
				t.Errorf("%s %s: the handler reads %q, %v", c.method, c.path, got, err)
			}
			w.Header().Set("Content-Type", c.kind)
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.answer)
		}), func(err error) { told = append(told, err.Error()) })
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), c.method, c.path, strings.NewReader(c.body)))
		if rec.Code != c.status || rec.Body.String() != c.answer {
			t.Errorf("%s %s: passes on %d %s", c.method, c.path, rec.Code, rec.Body)
		}
		text := strings.Join(told, "\n")
		path, _, _ := strings.Cut(c.path, "?")
		switch {
		case c.want == "" && text != "":
			t.Errorf("%s %s %s %d %s: %s", c.method, c.path, c.body, c.status, c.answer, text)
		case !strings.Contains(text, c.want):
			t.Errorf("%s %s %s %d %s: told %q, want %q", c.method, c.path, c.body, c.status, c.answer, text, c.want)
		case c.want != "" && !strings.HasPrefix(text, c.method+" "+path[:6]):
			t.Errorf("%q does not name the path", text)
		}
	}
}

// TestClientGone tells nothing of a request that nobody waits for any more.
func TestClientGone(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	h := spec(t).Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), func(err error) {
		if ctx.Err() != nil {
			t.Error(err)
		}
		cancel()
	})
	for range 2 { // the first has no answer for somebody who waits
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "POST", "/track", strings.NewReader("[]")))
	}
	if ctx.Err() == nil {
		t.Error("an answer without any content is not told")
	}
}

// TestExamples holds every example against its schema.
func TestExamples(t *testing.T) {
	t.Parallel()
	s := spec(t)
	n := 0
	each(t, func(at string, media map[string]any) {
		ex, ok := media["example"]
		if !ok {
			return
		}
		n++
		text, err := json.Marshal(ex)
		if err != nil {
			t.Fatal(err)
		}
		schema, err := s.loader.schema(at + "/schema")
		if err != nil {
			t.Fatal(at, err)
		}
		if err := validate(schema, text); err != nil {
			t.Errorf("%s: %v", at, err)
		}
	}, s.loader.doc, "")
	if n < 30 {
		t.Errorf("%d examples; were they found?", n)
	}
}

// each finds what has a schema.
func each(t *testing.T, fn func(at string, media map[string]any), v any, at string) {
	switch v := v.(type) {
	case map[string]any:
		if v["schema"] != nil {
			fn(at, v)
		}
		for k, item := range v {
			each(t, fn, item, at+"/"+token(k))
		}
	case []any: // parameters, which have no examples
	}
}

// TestClosed shows that whatever a v1 endpoint takes or answers is closed: a member that
// is not described is found.
func TestClosed(t *testing.T) {
	t.Parallel()
	open := map[string]bool{"Event": true, "ProfileOperation": true, "MixpanelTask": true, "OpenDSRRequest": true}
	for name, v := range spec(t).loader.at("/components/schemas") {
		if m := v.(map[string]any); m["type"] == "object" && m["additionalProperties"] == nil && !open[name] {
			t.Errorf("%s is open", name)
		}
	}
}

// TestManyAtATime is for the race detector.
func TestManyAtATime(t *testing.T) {
	t.Parallel()
	h := spec(t).Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"held":false}`)
	}), func(err error) { t.Error(err) })
	for range 8 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			for range 50 {
				h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), "PUT", "/v1/retention/hold", bytes.NewBufferString(`{"reason":"x"}`)))
			}
		})
	}
}
