package person_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/emulators/local"
	functionperson "github.com/lethe-analytics/lethe/functions/person"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/request"
	"github.com/lethe-analytics/lethe/shared/web"
)

// world is a tenant and the function behind a ServeMux like that of the functions
// framework.
type world struct {
	*local.Tenant
	t       testing.TB
	key     string // of a reader
	handler http.Handler
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{Tenant: local.NewTenant(t, nil), t: t}
	mux := http.NewServeMux()
	mux.Handle("/", functionperson.New(functionperson.Config{Timeout: time.Minute}, w.Guard(t), w.Databases, request.Publishers{}))
	w.handler = mux
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

func (w *world) person(p project.Project, id string, doc person.Doc) {
	w.t.Helper()
	if _, err := person.Ref(w.Default, p.ID, person.MakeKey(p.Secret, id)).Set(w.t.Context(), doc); err != nil {
		w.t.Fatal(err)
	}
}

// store writes events of any persons of a project, as one batch.
func (w *world) store(p project.Project, events ...event.Event) { w.Store(w.t, p, events...) }

// ev makes an event of ann; n makes it unique.
func ev(n int, when string) event.Event {
	t, err := time.Parse("2006-01-02 15:04:05", when)
	if err != nil {
		panic(err)
	}
	return event.Event{Name: "Seen", DistinctID: "ann", InsertID: fmt.Sprint("i", n), Time: event.Millis(t.UnixMilli()), Received: 1, Properties: `{"a":1}`}
}

// get asks for a path as it is written.
func (w *world) get(path string, key ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	k := w.key
	if len(key) > 0 {
		k = key[0]
	}
	return local.Call(w.t.Context(), w.handler, http.MethodGet, path, k, "")
}

func (w *world) answered(rec *httptest.ResponseRecorder, into any) { local.Answered(w.t, rec, into) }

// refused expects a problem of a status.
func (w *world) refused(rec *httptest.ResponseRecorder, status int) web.Problem {
	return local.Refused(w.t, rec, status)
}

// page asks for a page of ann's timeline and gives the insert ids on it.
func (w *world) page(query string) (ids []string, next string) {
	w.t.Helper()
	var a functionperson.Timeline
	w.answered(w.get("/v1/people/ann/events?"+query), &a)
	for _, e := range a.Events {
		var props struct {
			InsertID string `json:"$insert_id"`
		}
		if err := json.Unmarshal(e.Properties, &props); err != nil {
			w.t.Fatal(err)
		}
		ids = append(ids, props.InsertID)
	}
	return ids, a.NextCursor
}
