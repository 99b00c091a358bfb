package person_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/emulators/local"
	functionperson "github.com/lethe-analytics/lethe/functions/person"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/identity"
	"github.com/lethe-analytics/lethe/shared/join"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/profile"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/request"
	"github.com/lethe-analytics/lethe/shared/topology"
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
	links := queue.NewPublisher(w.OpenPubSub(t), topology.TopicLinks, 30*time.Second)
	mux.Handle("/", functionperson.New(functionperson.Config{Timeout: time.Minute}, w.Guard(t), w.Databases, request.Publishers{}, links))
	w.handler = mux
	w.key = w.newKey(project.Reader)
	return w
}

// keyOf is the key of an identity of the project.
func (w *world) keyOf(id string) person.Key { return person.MakeKey(w.Project.Secret, id) }

// connect does what the link worker does with a claim.
func (w *world) connect(who, whose string, by event.Speaker, received time.Time) person.Linked {
	w.t.Helper()
	named := func(id string) person.Named { return person.Named{Key: w.keyOf(id), DistinctID: id} }
	_, said := identity.Claim{Who: who, Whose: whose}.Weigh(w.Project.UserIDs)
	linked, err := person.Connect(w.t.Context(), w.Databases, w.Project.ID, person.Claim{Who: named(who), Whose: named(whose), Said: said,
		Link: person.Link{By: by.String(), Event: "$identify", Received: received, Message: "m"}})
	if err == nil && linked.Pending != "" {
		err = join.Settle(w.t.Context(), w.Databases, w.Project.ID, linked.Pending, func() bool { return true })
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return linked
}

// link joins an identity to another's person, as a key says.
func (w *world) link(who, whose string) {
	w.t.Helper()
	if linked := w.connect(who, whose, event.ByKey, seen); linked.Outcome != identity.Taken {
		w.t.Fatalf("got %+v, want it to be taken", linked)
	}
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

// optOut is what the edge database knows of an identity.
func (w *world) optOut(id string) person.OptOut {
	w.t.Helper()
	snaps, err := w.Edge.GetAll(w.t.Context(), []*firestore.DocumentRef{person.OptOutRef(w.Edge, w.Project.ID, w.keyOf(id))})
	if err != nil {
		w.t.Fatal(err)
	}
	o, err := person.ReadOptOut(snaps[0])
	if err != nil {
		w.t.Fatal(err)
	}
	return o
}

// operate stores profile operations of an identity and folds the person's profile.
func (w *world) operate(id string, ops ...event.Op) {
	w.t.Helper()
	ref := person.Ref(w.Default, w.Project.ID, w.keyOf(id))
	for i := range ops {
		ops[i].DistinctID = id
	}
	err := w.Default.RunTransaction(w.t.Context(), func(_ context.Context, tx *firestore.Transaction) error {
		c, err := profile.Plan(tx, ref, &person.Doc{}, ops)
		if err == nil {
			err = tx.Set(ref, map[string]any{"operates": true}, mergeAll)
		}
		if err != nil {
			return err
		}
		return c.Write(tx)
	})
	if err == nil {
		_, err = profile.Refold(w.t.Context(), w.Default, w.Project.ID, w.keyOf(id))
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// page asks for a page of ann's timeline and gives the insert ids on it.
func (w *world) page(query string) (ids []string, next string) {
	w.t.Helper()
	return w.pageOf("ann", w.key, query)
}

// pageOf is page of any person.
func (w *world) pageOf(id, key, query string) (ids []string, next string) {
	w.t.Helper()
	var a functionperson.Timeline
	w.answered(w.get("/v1/people/"+url.PathEscape(id)+"/events?"+query, key), &a)
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

// mergeAll leaves a document's other fields as they are.
var mergeAll = firestore.MergeAll

// eventually waits for what workers do.
func eventually(t testing.TB, check func() error) {
	t.Helper()
	local.Eventually(t, time.Minute, check)
}
