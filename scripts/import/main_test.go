package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/functions/ingest"
	"github.com/lethe-analytics/lethe/functions/report"
	"github.com/lethe-analytics/lethe/functions/store"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/topology"
)

// system is ingest, store and report of one test.
type system struct {
	*local.Tenant
	t        *testing.T
	url      string
	report   http.Handler
	requests atomic.Int64
	before   func(n int64, w http.ResponseWriter) (answered bool) // of the nth request
}

func newSystem(t *testing.T) *system {
	s := &system{Tenant: local.NewTenant(t, nil), t: t}
	ps := s.OpenPubSub(t)
	in := local.Checked(t, ingest.New(ingest.Config{Config: s.Config, Linger: 5 * time.Millisecond, EdgeTimeout: 10 * time.Second, PublishTimeout: 10 * time.Second,
		ReadTimeout: 10 * time.Second, LargeWait: 10 * time.Second, CacheTTL: time.Minute}, s.Edge, ps))
	s.Work(t, ps, topology.TopicEvents, "store", store.New(s.Databases, queue.NewPublisher(ps, topology.DeadTopic(topology.TopicEvents), 10*time.Second), queue.NewPublisher(ps, topology.TopicLinks, 10*time.Second)))
	s.report = report.New(report.Config{Timeout: time.Minute}, s.Guard(t), s.Default)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := s.requests.Add(1)
		if s.before != nil && s.before(n, w) {
			return
		}
		in.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	s.url = front.URL
	return s
}

// run runs the command; it returns what it prints.
func (s *system) run(ctx context.Context, stdin string, args ...string) (string, error) {
	var out bytes.Buffer
	env := map[string]string{"LETHE_URL": s.url, "LETHE_TOKEN": s.Token}
	err := run(ctx, func(k string) string { return env[k] }, args, strings.NewReader(stdin), &out)
	return out.String(), err
}

// counts are the events of a name by hour, of a day.
func (s *system) counts(name, day string) map[string]int64 {
	s.t.Helper()
	var a report.Segmentation
	local.Answered(s.t, local.Call(s.t.Context(), s.report, "GET", "/v1/reports/segmentation?unit=hour&event="+name+"&from="+day+"&to="+day, s.Key, ""), &a)
	by := map[string]int64{"": a.Series[0].Total}
	for _, p := range a.Series[0].Points {
		if p.Count > 0 {
			by[p.Time.Format("15")] = p.Count
		}
	}
	return by
}

// wait waits until a report counts so many; more are an error.
func (s *system) wait(name, day string, want int64) {
	s.t.Helper()
	for {
		switch got := s.counts(name, day)[""]; {
		case got > want:
			s.t.Fatalf("%d events, want %d", got, want)
		case got == want:
			return
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-s.t.Context().Done():
			s.t.Fatal("the events are not stored")
		}
	}
}

// start is 2024-03-05T00:00:00Z.
const start, startDay = 1_709_596_800, "2024-03-05"

// export writes n lines of an export; those whose number is even have no $insert_id.
func export(n int) string {
	var b strings.Builder
	for i := range n {
		id := ""
		if i%2 == 1 {
			id = fmt.Sprintf(`,"$insert_id":"id-%d"`, i)
		}
		fmt.Fprintf(&b, `{"event":"Old","properties":{"time":%d,"distinct_id":"p%d","n":%d,"mp_lib":"web"%s}}`+"\n", start+i, i%50, i, id)
	}
	return b.String()
}

func (s *system) file(name, content string) string {
	s.t.Helper()
	path := filepath.Join(s.t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// TestResume imports 10,000 events. It is interrupted, meets a server that is down and
// one that is busy, goes on, and is run once more without its state.
func TestResume(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	file := s.file("export.ndjson", export(10_000))
	ctx, interrupt := context.WithCancel(t.Context())
	s.before = func(n int64, w http.ResponseWriter) bool {
		switch n {
		case 2:
			http.Error(w, "busy", http.StatusTooManyRequests)
		case 4:
			http.Error(w, "down", http.StatusServiceUnavailable)
		case 10:
			interrupt() // and nothing comes of this one
			return true
		default:
			return false
		}
		return true
	}
	out, err := s.run(ctx, "", "-batch", "500", file)
	if err == nil || !strings.Contains(err.Error(), "run the same again") {
		t.Fatalf("interrupted: %v, %s", err, out)
	}
	first := s.requests.Load()
	var at state
	text, err := os.ReadFile(file + ".import.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &at); err != nil || at.Lines == 0 || at.Lines >= 10_000 || at.Lines != at.Stored {
		t.Fatalf("state %s, %v", text, err)
	}
	s.before = nil
	if out, err = s.run(t.Context(), "", "-batch", "500", file); err != nil || !strings.Contains(out, "10000 events imported, of 10000 lines\n") {
		t.Fatalf("%v, %s", err, out)
	}
	if n, want := s.requests.Load()-first, int64(10_000-at.Lines)/500; n != want {
		t.Errorf("%d requests after %d lines, want %d", n, at.Lines, want)
	}
	s.wait("Old", startDay, 10_000)
	// Sent anew from the beginning, and packed: the same events.
	var packed bytes.Buffer
	zw := gzip.NewWriter(&packed)
	fmt.Fprint(zw, export(10_000), `{"event":"Last","properties":{"time":1709596800,"distinct_id":"p"}}`, "\n")
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	if out, err = s.run(t.Context(), packed.String(), "-"); err != nil || !strings.Contains(out, "10001 events imported") {
		t.Fatalf("%v, %s", err, out)
	}
	s.wait("Last", startDay, 1)
	s.wait("Old", startDay, 10_000)
}

// TestRefused names the line of each record that is refused, here or by the server.
func TestRefused(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	good := func(i int) string {
		return fmt.Sprintf(`{"event":"Old","properties":{"time":%d,"distinct_id":"p","$insert_id":"i-%d"}}`, start+i, i)
	}
	file := s.file("bad.ndjson", strings.Join([]string{good(1), `{"event":`, "", good(4), `{"event":"Old","properties":{"distinct_id":"p"}}`,
		`{"event":"Old","properties":{"time":5,"distinct_id":"p"}}`, `[]`, good(8), `{"event":"Old","properties":{"time":1709596800,"x":"` + strings.Repeat("x", 2_000_000) + `"}}`, good(10)}, "\n"))
	out, err := s.run(t.Context(), "", "-batch", "3", file)
	if err != nil || !strings.Contains(out, "4 events imported, of 10 lines; 5 refused: see "+file+".rejected.ndjson") {
		t.Fatalf("%v, %s", err, out)
	}
	s.wait("Old", startDay, 4)
	text, err := os.ReadFile(file + ".rejected.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(text)) {
		var r refusal
		if err := json.Unmarshal([]byte(line), &r); err != nil || r.Record == "" {
			t.Fatal(line, err)
		}
		got = append(got, fmt.Sprint(r.Line, " ", r.Field, " ", r.Reason))
	}
	want := "2  is not a JSON object of an event and its properties|5 properties.time is required|6 properties.time is before 1971|" +
		"7  is not a JSON object of an event and its properties|9  is over 1 MB"
	if strings.Join(got, "|") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "|"), want)
	}
	one := filepath.Join(t.TempDir(), "one.ndjson")
	if err := os.WriteFile(one, []byte(good(2)), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := s.run(t.Context(), "", one); err != nil || !strings.Contains(out, "1 event imported, of 1 line") {
		t.Error(out, err)
	}
	// It has been done.
	before := s.requests.Load()
	if _, err := s.run(t.Context(), "", file); err != nil || s.requests.Load() != before {
		t.Errorf("%v, %d requests more", err, s.requests.Load()-before)
	}
	// Another file of that name, or another time zone, is not gone on with.
	if _, err := s.run(t.Context(), "", "-tz", "Europe/Berlin", file); err == nil || !strings.Contains(err.Error(), "-tz") {
		t.Error(err)
	}
	if err := os.WriteFile(file, []byte(good(1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.run(t.Context(), "", file); err == nil || !strings.Contains(err.Error(), "has changed") {
		t.Error(err)
	}
}

// TestZone imports the times of a project that keeps its zone's.
func TestZone(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	noon := start + 12*3600
	in := fmt.Sprintf(`{"event":"Old","properties":{"time":%d,"distinct_id":"p"}}`+"\n"+`{"event":"Old","properties":{"time":%d,"distinct_id":"q"}}`, noon, noon*1000)
	if out, err := s.run(t.Context(), in, "-tz", "America/New_York", "-"); err != nil {
		t.Fatal(err, out)
	}
	s.wait("Old", startDay, 2)
	if by := s.counts("Old", startDay); by["17"] != 2 { // noon of New York in winter
		t.Errorf("%v", by)
	}
}

// TestWrong tells what is wrong with how it is called.
func TestWrong(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	for _, c := range []struct{ args, want string }{
		{"", "name the files"}, {"-tz Mars/Base -", "no time zone"}, {"-batch 2001 -", "-batch"}, {"-parallel 0 -", "-parallel"},
		{"-state x a b", "one file"}, {"/nowhere", "no such file"},
	} {
		if _, err := s.run(t.Context(), "", strings.Fields(c.args)...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.args, err, c.want)
		}
	}
	s.Token = "another"
	if _, err := s.run(t.Context(), export(1), "-"); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("a wrong token: %v", err)
	}
	s.url = "http://127.0.0.1:1"
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if _, err := s.run(ctx, export(1), "-"); err == nil {
		t.Error("nobody listens, and that is no error")
	}
}
