package person_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/project"
)

var seen = time.Date(2026, 2, 1, 12, 30, 0, 0, time.UTC)

func TestProfile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.person(w.Project, "ann", person.Doc{DistinctID: "ann", FirstSeen: seen, Profile: `{"plan":"pro","n":1.5,"l":[1]}`, Consent: person.Consent{State: consent.Denied}})
	w.person(w.Project, "bob", person.Doc{DistinctID: "bob", FirstSeen: seen})
	w.person(w.Project, "gone", person.Doc{ErasedAt: seen, FirstSeen: seen})
	w.person(w.newProject("other"), "cleo", person.Doc{DistinctID: "cleo"})
	for id, want := range map[string]string{
		"ann": `{"distinct_id":"ann","distinct_ids":["ann"],"identities":1,"first_seen":"2026-02-01T12:30:00Z","profile":{"plan":"pro","n":1.5,"l":[1]},"consent":{"state":"denied"}}`,
		"bob": `{"distinct_id":"bob","distinct_ids":["bob"],"identities":1,"first_seen":"2026-02-01T12:30:00Z","profile":{},"consent":{"state":"unset"}}`,
	} {
		if rec := w.get("/v1/people/" + id); rec.Code != http.StatusOK || strings.TrimSpace(rec.Body.String()) != want || rec.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%d %s", rec.Code, rec.Body)
		}
	}
	for _, id := range []string{"gone", "cleo", "nobody", "Ann", "ann%20"} {
		p := w.refused(w.get("/v1/people/"+id), http.StatusNotFound)
		q := w.refused(w.get("/v1/people/"+id+"/events"), http.StatusNotFound)
		if p.Detail != q.Detail || strings.Contains(p.Detail, id) {
			t.Errorf("%+v %+v", p, q)
		}
	}
}

// A distinct_id is any text; it must come through the path as it is. (The one that
// does not is "/" alone: ServeMux takes the segment %2F for a trailing slash.)
func TestDistinctIDs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, id := range []string{
		"a/b", "a//b", "//", "a/", "/a", "a b", " ", "😀", "é", "..", ".", "a/../b", "../ann", "a%2Fb", "%", "a+b", "a?b", "a#b", "a;b=c", "events", "a/events",
		"\x00", "\n", `"`, "{distinct_id}", "ann@example.com", strings.Repeat("é", 255),
	} {
		e := ev(1, "2026-02-01 12:00:00")
		e.DistinctID = id
		w.person(w.Project, id, person.Doc{DistinctID: id, FirstSeen: seen})
		w.store(w.Project, e)
		escaped := url.PathEscape(id)
		if strings.Trim(id, ".") == "" {
			escaped = strings.ReplaceAll(id, ".", "%2E")
		}
		var a struct {
			DistinctID string `json:"distinct_id"`
		}
		w.answered(w.get("/v1/people/"+escaped), &a)
		var b struct {
			Events []struct {
				Properties map[string]any
			}
		}
		w.answered(w.get("/v1/people/"+escaped+"/events"), &b)
		if a.DistinctID != id || len(b.Events) != 1 || b.Events[0].Properties["distinct_id"] != id {
			t.Errorf("%q: %+v %+v", id, a, b)
		}
	}
	p := w.refused(w.get("/v1/people/%ff"), http.StatusBadRequest)
	if len(p.Errors) != 1 || p.Errors[0].Name != "distinct_id" {
		t.Errorf("%+v", p)
	}
}

func TestRoles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.person(w.Project, "ann", person.Doc{DistinctID: "ann", FirstSeen: seen})
	expired := "lethe_expired"
	if err := project.AddKey(t.Context(), w.Default, expired, project.Key{Project: "app", Role: project.Admin, Expires: time.Now().Add(-time.Second)}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/v1/people/ann", "/v1/people/ann/events", "/v1/people/nobody"} {
		for _, key := range []string{"", "lethe_no", expired} {
			w.refused(w.get(path, key), http.StatusUnauthorized)
		}
		w.refused(w.get(path, w.newKey("writer")), http.StatusForbidden)
	}
	for _, role := range []project.Role{project.Reader, project.Privacy, project.Admin} {
		if rec := w.get("/v1/people/ann", w.newKey(role)); rec.Code != http.StatusOK {
			t.Errorf("%s: %d", role, rec.Code)
		}
	}
}

func TestBadRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.person(w.Project, "ann", person.Doc{DistinctID: "ann", FirstSeen: seen})
	for query, field := range map[string]string{
		"limit=0": "limit", "limit=1001": "limit", "limit=x": "limit", "from=x": "from", "to=2026-02-30": "to", "from=2026-02-02&to=2026-02-01": "from",
		"cursor=abc": "cursor", "cursor=a&cursor=b": "cursor", "page=2": "page", "cursor=" + strings.Repeat("A", 70): "cursor",
	} {
		p := w.refused(w.get("/v1/people/ann/events?"+query), http.StatusBadRequest)
		if len(p.Errors) != 1 || p.Errors[0].Name != field {
			t.Errorf("%s: %+v", query, p)
		}
	}
	w.refused(w.get("/v1/people/ann?x=1"), http.StatusBadRequest)
	for _, c := range []struct {
		method, path string
		status       int
	}{{"DELETE", "/v1/people/ann", 405}, {"POST", "/v1/people/ann/events", 405}, {"GET", "/v1/people/", 404}, {"GET", "/v1/people/ann/x", 404}, {"GET", "/v1/people/ann/", 404}} {
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, httptest.NewRequest(c.method, c.path, nil))
		w.refused(rec, c.status)
		if c.status == 405 && rec.Header().Get("Allow") != "GET, HEAD" {
			t.Error(rec.Header())
		}
	}
}

func TestEventsAsTheyAreShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.person(w.Project, "ann", person.Doc{DistinctID: "ann", FirstSeen: seen})
	if got := strings.TrimSpace(w.get("/v1/people/ann/events").Body.String()); got != `{"events":[]}` {
		t.Error(got)
	}
	a, b := ev(1, "2026-02-01 12:00:00"), ev(2, "2026-02-01 12:00:00")
	b.Time += 5
	b.Name, b.Properties = "Bought <b>", `{}`
	w.store(w.Project, a, b)
	want := `{"events":[{"event":"Bought <b>","time":"2026-02-01T12:00:00.005Z","properties":{"distinct_id":"ann","$insert_id":"i2"}},` +
		`{"event":"Seen","time":"2026-02-01T12:00:00Z","properties":{"distinct_id":"ann","$insert_id":"i1","a":1}}]}`
	if got := strings.TrimSpace(w.get("/v1/people/ann/events").Body.String()); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	other := ev(3, "2026-02-01 12:00:00")
	other.DistinctID = "bob"
	w.store(w.Project, other)
	p := w.newProject("other")
	w.store(p, []event.Event{ev(4, "2026-02-01 12:00:00")}...)
	if ids, _ := w.page(""); len(ids) != 2 {
		t.Error("events of others:", ids)
	}
}
