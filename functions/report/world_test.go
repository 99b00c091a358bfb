package report_test

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/functions/report"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/web"
)

// world is a tenant and the function.
type world struct {
	*local.Tenant
	t       testing.TB
	key     string // of a reader
	handler http.Handler
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{Tenant: local.NewTenant(t, nil), t: t}
	w.handler = report.New(report.Config{Timeout: 5 * time.Minute}, w.Guard(t), w.Default)
	w.key = w.newKey(project.Reader)
	return w
}

func (w *world) newProject(id string) project.Project { return w.AddProject(w.t, id) }

func (w *world) newKey(role project.Role) string {
	w.t.Helper()
	key, err := project.NewKey(w.t.Context(), w.Default, w.Project.ID, role)
	if err != nil {
		w.t.Fatal(err)
	}
	return key
}

// store writes events of any persons of a project, as one batch.
func (w *world) store(p project.Project, events ...event.Event) { w.Store(w.t, p, events...) }

// at makes an event's time.
func at(s string) event.Millis {
	layout := time.DateTime[:len(s)]
	t, err := time.Parse(layout, s)
	if err != nil {
		panic(err)
	}
	return event.Millis(t.UnixMilli())
}

// ev makes an event; its insert id is its time and what is given.
func ev(name, who, time, props string) event.Event {
	return event.Event{Name: name, DistinctID: who, InsertID: "i-" + time, Time: at(time), Received: 1, Properties: props}
}

// request is a question with the reader's key, or with the one given.
func (w *world) request(path string, q url.Values, key ...string) *http.Request {
	r := httptest.NewRequestWithContext(w.t.Context(), http.MethodGet, path+"?"+q.Encode(), nil)
	k := w.key
	if len(key) > 0 {
		k = key[0]
	}
	if k != "" {
		r.Header.Set("Authorization", "Bearer "+k)
	}
	return r
}

func (w *world) serve(r *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	local.Serve(w.handler, rec, r)
	return rec
}

func (w *world) get(path string, q url.Values, key ...string) *httptest.ResponseRecorder {
	return w.serve(w.request(path, q, key...))
}

// query makes parameters of pairs of a name and a value.
func query(pairs ...string) url.Values {
	q := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		q.Add(pairs[i], pairs[i+1])
	}
	return q
}

const (
	segmentationPath = "/v1/reports/segmentation"
	topPath          = "/v1/reports/top-events"
)

// segmentation asks a question that must be answered.
func (w *world) segmentation(pairs ...string) report.Segmentation {
	w.t.Helper()
	var a report.Segmentation
	w.answered(w.get(segmentationPath, query(pairs...)), &a)
	return a
}

func (w *world) answered(rec *httptest.ResponseRecorder, into any) { local.Answered(w.t, rec, into) }

// refused expects a problem of a status.
func (w *world) refused(rec *httptest.ResponseRecorder, status int) web.Problem {
	return local.Refused(w.t, rec, status)
}

// flat writes an answer's series as text: event/value total [count …].
func flat(a report.Segmentation) []string {
	var out []string
	for _, s := range a.Series {
		counts := make([]int64, len(s.Points))
		for i, p := range s.Points {
			counts[i] = p.Count
		}
		b, err := json.Marshal(counts)
		if err != nil {
			panic(err)
		}
		out = append(out, s.Event+"/"+shown(s.GroupValue)+" "+itoa(s.Total)+" "+string(b))
	}
	return out
}

// shown writes a group's value, with its type unless it is a string; null without groups.
func shown(v report.GroupValue) string {
	switch {
	case v == report.GroupValue{}:
		return "null"
	case v.Value == nil:
		return "(" + v.Type + ")"
	case v.Type == "string" || v.Type == "": // of Other
		return *v.Value
	}
	return *v.Value + ":" + v.Type
}

// groupOf is the group of a value; there is none without any JSON.
func groupOf(raw json.RawMessage) report.GroupValue {
	if raw == nil {
		return report.GroupValue{Type: report.Undefined}
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		panic(err)
	}
	kind := jsonType(v)
	text, isText := v.(string)
	switch {
	case v == nil:
		return report.GroupValue{Type: kind}
	case !isText:
		text = string(must(json.Marshal(v)))
	}
	return report.GroupValue{Value: &text, Type: kind}
}

// compareGroups orders values as answers do.
func compareGroups(a, b report.GroupValue) int {
	if a.Value == nil || b.Value == nil {
		return cmp.Or(cmp.Compare(btoi(a.Value == nil), btoi(b.Value == nil)), cmp.Compare(a.Type, b.Type))
	}
	return cmp.Or(cmp.Compare(*a.Value, *b.Value), cmp.Compare(a.Type, b.Type))
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func itoa(n int64) string {
	b, _ := json.Marshal(n)
	return string(b)
}

// post asks a question that is a body.
func (w *world) post(path string, body any) *httptest.ResponseRecorder {
	w.t.Helper()
	text, ok := body.(string)
	if !ok {
		b, err := json.Marshal(body)
		if err != nil {
			w.t.Fatal(err)
		}
		text = string(b)
	}
	r := httptest.NewRequestWithContext(w.t.Context(), http.MethodPost, path, strings.NewReader(text))
	r.Header.Set("Authorization", "Bearer "+w.key)
	return w.serve(r)
}
