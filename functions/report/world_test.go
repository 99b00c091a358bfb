package report_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/functions/report"
	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/web"
)

// world is one Google project with one customer's project in it.
type world struct {
	t       testing.TB
	db      gcp.Databases
	project project.Project
	key     string
	handler http.Handler
}

func newWorld(t testing.TB) *world {
	t.Helper()
	local.NeedFirestore(t)
	db, err := gcp.OpenDatabases(t.Context(), gcp.Config{Project: local.Project(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Default.Close(); db.Edge.Close() })
	w := &world{t: t, db: db, handler: report.New(report.Config{Timeout: 5 * time.Minute}, db.Default)}
	w.project = w.newProject("acme")
	w.key = w.newKey(project.Reader)
	return w
}

func (w *world) newProject(id string) project.Project {
	w.t.Helper()
	p, err := project.Create(w.t.Context(), w.db, project.Project{ID: id})
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

func (w *world) newKey(role project.Role) string {
	w.t.Helper()
	key, err := project.NewKey(w.t.Context(), w.db.Default, w.project.ID, role)
	if err != nil {
		w.t.Fatal(err)
	}
	return key
}

// store writes events of any persons of a project, as one batch.
func (w *world) store(p project.Project, events ...event.Event) {
	w.t.Helper()
	byPerson := map[string][]event.Event{}
	for _, e := range events {
		byPerson[e.DistinctID] = append(byPerson[e.DistinctID], e)
	}
	for id, list := range byPerson {
		key := person.MakeKey(p.Secret, id)
		for _, c := range chunk.Build(p.ID, list) {
			if _, err := chunk.Ref(w.db.Default, p.ID, key, c.ID).Set(w.t.Context(), c.Doc); err != nil {
				w.t.Fatal(err)
			}
		}
	}
}

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
	w.handler.ServeHTTP(rec, r)
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

func (w *world) answered(rec *httptest.ResponseRecorder, into any) {
	w.t.Helper()
	if rec.Code != http.StatusOK || rec.Header().Get("Content-Type") != "application/json" {
		w.t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	if err := json.Unmarshal(rec.Body.Bytes(), into); err != nil {
		w.t.Fatal(err)
	}
}

// refused expects a problem of a status.
func (w *world) refused(rec *httptest.ResponseRecorder, status int) web.Problem {
	w.t.Helper()
	var p web.Problem
	if err := json.Unmarshal(rec.Body.Bytes(), &p); err != nil {
		w.t.Fatalf("%d %s: %v", rec.Code, rec.Body, err)
	}
	if rec.Code != status || p.Status != status || rec.Header().Get("Content-Type") != "application/problem+json" || p.RequestID == "" {
		w.t.Errorf("want %d, got %d %v %s", status, rec.Code, rec.Header(), rec.Body)
	}
	return p
}

// flat writes an answer's series as text: event/value total [count …].
func flat(a report.Segmentation) []string {
	var out []string
	for _, s := range a.Series {
		v := "null"
		if s.Value != nil {
			v = *s.Value
		}
		counts := make([]int64, len(s.Points))
		for i, p := range s.Points {
			counts[i] = p.Count
		}
		b, err := json.Marshal(counts)
		if err != nil {
			panic(err)
		}
		out = append(out, s.Event+"/"+v+" "+itoa(s.Total)+" "+string(b))
	}
	return out
}

func itoa(n int64) string {
	b, _ := json.Marshal(n)
	return string(b)
}
