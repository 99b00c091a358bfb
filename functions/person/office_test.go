package person_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/firestore"
	"cloud.google.com/go/pubsub/v2"

	"github.com/lethe-analytics/lethe/emulators/local"
	functionperson "github.com/lethe-analytics/lethe/functions/person"
	"github.com/lethe-analytics/lethe/functions/store"
	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/profile"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/request"
	"github.com/lethe-analytics/lethe/shared/topology"
)

// office is a world in which rectifications can be asked for, with the store
// function; work starts the worker.
type office struct {
	*world
	ps      *pubsub.Client
	pubs    request.Publishers
	links   *queue.Publisher
	privacy string // key
	intake  http.Handler
}

func newOffice(t testing.TB) *office {
	o := &office{world: newWorld(t)}
	o.ps = o.OpenPubSub(t)
	o.pubs = request.Publishers{Tasks: queue.NewPublisher(o.ps, topology.TopicRectifications, 30*time.Second)}
	o.links = queue.NewPublisher(o.ps, topology.TopicLinks, 30*time.Second)
	o.handler = functionperson.New(functionperson.Config{Timeout: time.Minute}, o.Guard(t), o.Databases, o.pubs, o.links)
	o.intake = store.New(o.Databases, o.dead(topology.TopicEvents), o.links)
	o.privacy = o.newKey(project.Privacy)
	return o
}

func (o *office) dead(topic string) *queue.Publisher {
	return queue.NewPublisher(o.ps, topology.DeadTopic(topic), 30*time.Second)
}

// work works on rectifications, in slices of so long, until the test ends.
func (o *office) work(slice time.Duration) {
	o.t.Helper()
	o.Work(o.t, o.ps, topology.TopicRectifications, "person-worker",
		functionperson.NewWorker(functionperson.Config{Slice: slice}, o.Default, o.dead(topology.TopicRectifications), o.pubs))
}

// workOnLinks works on what events say of who is who, until the test ends.
func (o *office) workOnLinks() {
	o.t.Helper()
	o.Work(o.t, o.ps, topology.TopicLinks, "link-worker", store.NewLinker(o.Databases, o.dead(topology.TopicLinks)))
}

// deliver gives the store function a message until it is acknowledged.
func (o *office) deliver(events []event.Event, ops ...event.Op) {
	o.t.Helper()
	o.Deliver(o.t, o.intake, events, ops...)
}

func (o *office) post(body, key string, header ...string) *httptest.ResponseRecorder {
	o.t.Helper()
	r := httptest.NewRequestWithContext(o.t.Context(), http.MethodPost, "/v1/rectifications", strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+key)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	local.Serve(o.handler, rec, r)
	return rec
}

// ask asks for a rectification.
func (o *office) ask(body string, header ...string) functionperson.Rectification {
	o.t.Helper()
	rec := o.post(body, o.privacy, header...)
	var a functionperson.Rectification
	if err := json.Unmarshal(rec.Body.Bytes(), &a); err != nil || rec.Code != http.StatusAccepted || rec.Header().Get("Location") != "/v1/rectifications/"+a.ID {
		o.t.Fatalf("%d %s %v", rec.Code, rec.Body, err)
	}
	return a
}

// until waits for a status.
func (o *office) until(id string, want request.Status) (a functionperson.Rectification) {
	o.t.Helper()
	local.Eventually(o.t, 2*time.Minute, func() error {
		a = functionperson.Rectification{}
		o.answered(o.get("/v1/rectifications/"+id, o.privacy), &a)
		if a.Status == want {
			return nil
		}
		if a.Status.Final() {
			o.t.Fatalf("%+v, want %s", a, want)
		}
		return fmt.Errorf("%+v, want %s", a, want)
	})
	return a
}

func (o *office) personRef(id string) *firestore.DocumentRef {
	return person.Ref(o.Default, o.Project.ID, o.keyOf(id))
}

func (o *office) personDoc(id string) (d person.Doc) {
	o.t.Helper()
	snap, err := o.personRef(id).Get(o.t.Context())
	if err != nil {
		o.t.Fatal(err)
	}
	if err := snap.DataTo(&d); err != nil {
		o.t.Fatal(err)
	}
	return d
}

// everything is all that is stored below a person, unpacked.
func (o *office) everything(id string) string {
	o.t.Helper()
	var all strings.Builder
	for _, name := range []string{chunk.Collection, profile.Collection} {
		docs, err := o.personRef(id).Collection(name).Documents(o.t.Context()).GetAll()
		if err != nil {
			o.t.Fatal(err)
		}
		for _, d := range docs {
			data, _ := d.Data()["data"].([]byte)
			err := event.Unpack(data, func(e *event.Event) error { fmt.Fprintln(&all, *e); return nil },
				func(p *event.Op) error { fmt.Fprintln(&all, *p); return nil })
			if err != nil {
				o.t.Fatal(err)
			}
		}
	}
	fmt.Fprintln(&all, o.personDoc(id).Profile)
	return all.String()
}

// old makes an event that was received a minute ago.
func old(n int, id, props string) event.Event {
	e := ev(n, "2026-02-01 12:00:00")
	e.DistinctID, e.Properties, e.Received = id, props, event.Now()-60_000
	return e
}

func oldOp(seq int, name, value string) event.Op {
	return event.Op{DistinctID: "ann", Name: name, Value: value, Received: event.Now() - 60_000, Request: "sdk", Seq: seq}
}
