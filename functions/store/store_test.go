package store_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/firestore"
	"cloud.google.com/go/pubsub/v2"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/functions/store"
	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/topology"
)

var (
	ctx = context.Background()
	t0  = event.Millis(time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC).UnixMilli())
)

// system is the store function of one test.
type system struct {
	*local.Tenant
	t       testing.TB
	ps      *pubsub.Client
	handler http.Handler
	linker  http.Handler

	deliveries atomic.Int64
}

func newSystem(t testing.TB) *system {
	s := &system{Tenant: local.NewTenant(t, nil), t: t}
	s.ps = s.OpenPubSub(t)
	s.handler = s.instance()
	s.linker = store.NewLinker(s.Databases, s.publisher(topology.DeadTopic(topology.TopicLinks)))
	return s
}

func (s *system) publisher(topic string) *queue.Publisher {
	return queue.NewPublisher(s.ps, topic, 10*time.Second)
}

// link has the link worker do all that store has left to it.
func (s *system) link() {
	s.t.Helper()
	s.Drain(s.t, s.ps, topology.TopicLinks, "link-worker", s.linker)
}

// push delivers a message as Pub/Sub would and returns the status.
func (s *system) push(data []byte, attributes map[string]string) int {
	body, err := json.Marshal(map[string]any{"subscription": "s", "deliveryAttempt": 1,
		"message": map[string]any{"data": data, "attributes": attributes, "messageId": "m1", "publishTime": time.Now()}})
	if err != nil {
		s.t.Fatal(err)
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body)))
	return w.Code
}

// deliver pushes a batch until it is acknowledged, as Pub/Sub does.
func (s *system) deliver(payload []byte) {
	s.t.Helper()
	for range topology.MaxDeliveries {
		s.deliveries.Add(1)
		switch code := s.push(event.Pack(payload), map[string]string{queue.AttrProject: "app"}); code {
		case http.StatusNoContent:
			return
		case http.StatusServiceUnavailable:
		default:
			s.t.Errorf("status %d", code)
			return
		}
	}
	s.t.Errorf("not acknowledged after %d deliveries", topology.MaxDeliveries)
}

func batch(events ...event.Event) (payload []byte) {
	for i := range events {
		payload = event.AppendEvent(payload, &events[i])
	}
	return payload
}

func opBatch(ops ...event.Op) (payload []byte) {
	for i := range ops {
		payload = event.AppendOp(payload, &ops[i])
	}
	return payload
}

func ev(id string, i int, received event.Millis) event.Event {
	return event.Event{Name: "Seen", DistinctID: id, InsertID: fmt.Sprint("i", i), Time: t0 + event.Millis(i), Received: received, Properties: fmt.Sprintf(`{"i":%d}`, i)}
}

func (s *system) key(id string) person.Key { return person.MakeKey(s.Project.Secret, id) }

func (s *system) ref(id string) *firestore.DocumentRef {
	return person.Ref(s.Default, "app", s.key(id))
}

var mergeAll = firestore.MergeAll

// instance is another instance of the store function.
func (s *system) instance() http.Handler {
	return store.New(s.Databases, s.publisher(topology.DeadTopic(topology.TopicEvents)), s.publisher(topology.TopicLinks))
}

// properties are those of all events of an identity, as they are stored.
func (s *system) properties(id string) (all []string) {
	s.t.Helper()
	for day, err := range chunk.PersonDays(ctx, s.Default, "app", s.key(id), "1971-01-01", "2999-12-31") {
		if err != nil {
			s.t.Fatal(err)
		}
		if err := day.Events(func(e *event.Event) error { all = append(all, e.Properties); return nil }); err != nil {
			s.t.Fatal(err)
		}
	}
	return all
}

// stored lists the insert ids of a person's events, sorted, and the number of
// documents that hold them.
func (s *system) stored(id string) (ids []string, docs int) {
	s.t.Helper()
	for day, err := range chunk.PersonDays(ctx, s.Default, "app", s.key(id), "1971-01-01", "2999-12-31") {
		if err != nil {
			s.t.Fatal(err)
		}
		docs += len(day.Docs)
		if err := day.Events(func(e *event.Event) error { ids = append(ids, e.InsertID); return nil }); err != nil {
			s.t.Fatal(err)
		}
	}
	slices.Sort(ids)
	return ids, docs
}

func (s *system) doc(id string) person.Doc {
	s.t.Helper()
	snap, err := s.ref(id).Get(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	var d person.Doc
	if err := snap.DataTo(&d); err != nil {
		s.t.Fatal(err)
	}
	return d
}

func TestDeliveredAgain(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	var events []event.Event
	for i := range 60 {
		events = append(events, ev([]string{"ann", "böb/☕", ""}[i%3], i/3, t0))
	}
	for range 3 {
		s.deliver(batch(events...))
	}
	for _, id := range []string{"ann", "böb/☕", ""} {
		if ids, docs := s.stored(id); len(ids) != 20 || docs != 1 {
			t.Errorf("%q: %d events in %d documents, want 20 in 1", id, len(ids), docs)
		}
	}
	if d := s.doc("böb/☕"); d.DistinctID != "böb/☕" || !d.FirstSeen.Equal(t0.Time()) {
		t.Errorf("%+v", d)
	}
	if _, err := s.ref("").Get(ctx); err == nil {
		t.Error("nobody has a person document")
	}
	// The same events, cut otherwise by a client that sent them again.
	for i := range events {
		events[i].Received += 500
	}
	s.deliver(batch(events[:20]...))
	s.deliver(batch(events[20:]...))
	if ids, _ := s.stored("ann"); len(ids) != 20 {
		t.Errorf("%d events after a retry", len(ids))
	}
}

func TestManyPersons(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	var events []event.Event
	for i := range 700 {
		events = append(events, ev(fmt.Sprint("p", i), i, t0))
	}
	s.deliver(batch(events...))
	for _, i := range []int{0, 249, 250, 699} {
		if ids, _ := s.stored(fmt.Sprint("p", i)); len(ids) != 1 {
			t.Errorf("person %d has %d events", i, len(ids))
		}
	}
}

func TestFence(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	if _, err := s.ref("ann").Set(ctx, map[string]any{"erased_at": t0.Time()}); err != nil {
		t.Fatal(err)
	}
	s.deliver(append(batch(ev("ann", 1, t0-1), ev("ann", 2, t0), ev("bob", 1, t0)),
		opBatch(event.Op{DistinctID: "ann", Name: "$set", Value: `{"a":1}`, Received: t0, Request: "r"})...))
	if ids, _ := s.stored("ann"); len(ids) != 0 {
		t.Errorf("received at or before the fence, but stored: %v", ids)
	}
	if d := s.doc("ann"); d.DistinctID != "" || d.Profile != "" {
		t.Errorf("%+v", d)
	}
	if ids, _ := s.stored("bob"); len(ids) != 1 {
		t.Errorf("another person of the batch has %v", ids)
	}
	s.deliver(batch(ev("ann", 1, t0), ev("ann", 3, t0+1)))
	if ids, _ := s.stored("ann"); !slices.Equal(ids, []string{"i3"}) {
		t.Errorf("a new life begins after the fence: %v", ids)
	}
	if d := s.doc("ann"); d.DistinctID != "ann" || !d.ErasedAt.Equal(t0.Time()) {
		t.Errorf("%+v", d)
	}
}

func TestConsent(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	for id, state := range map[string]consent.State{"yes": consent.Granted, "no": consent.Denied} {
		if _, err := s.ref(id).Set(ctx, map[string]any{"distinct_id": id, "consent": map[string]any{"state": string(state)}}); err != nil {
			t.Fatal(err)
		}
	}
	var payload []byte
	for _, id := range []string{"yes", "no", "unset", ""} {
		for i, optIn := range []bool{false, true} {
			e := ev(id, i, t0)
			e.OptIn = optIn
			payload = event.AppendEvent(payload, &e)
			if id != "" {
				payload = event.AppendOp(payload, &event.Op{DistinctID: id, Name: "$set", Value: fmt.Sprintf(`{"p%d":1}`, i), Received: t0, Request: id, Seq: i, OptIn: optIn})
			}
		}
	}
	s.deliver(payload)
	for id, want := range map[string][]string{"yes": {"i0", "i1"}, "no": nil, "unset": {"i0"}, "": {"i0"}} {
		if ids, _ := s.stored(id); !slices.Equal(ids, want) {
			t.Errorf("%q: events %v, want %v", id, ids, want)
		}
	}
	for id, want := range map[string]string{"yes": `{"p0":1,"p1":1}`, "no": "", "unset": `{"p0":1}`} {
		if got := s.doc(id).Profile; got != want {
			t.Errorf("%q: profile %s, want %s", id, got, want)
		}
	}
}

// What can never be stored is parked with its reason; the queue goes on.
func TestPoison(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	good := batch(ev("ann", 1, t0))
	for _, c := range []struct {
		data    []byte
		project string
		reason  string
	}{
		{[]byte("garbage"), "app", "decompressed"},
		{event.Pack([]byte{0x0a, 0xff}), "app", "damaged"},
		{event.Pack(good), "", "no project"},
		{event.Pack(good), "nobodys", "no such project"},
	} {
		attrs := map[string]string{"other": "kept"}
		if c.project != "" {
			attrs[queue.AttrProject] = c.project
		}
		if code := s.push(c.data, attrs); code != http.StatusNoContent {
			t.Fatalf("%s: status %d", c.reason, code)
		}
		m := s.Pull(t, s.ps, topology.DeadTopic(topology.TopicEvents), 1)[0]
		if !bytes.Equal(m.Data, c.data) || !strings.Contains(m.Attributes[queue.AttrReason], c.reason) ||
			m.Attributes[queue.AttrOrigin] != "m1" || m.Attributes["other"] != "kept" || m.Attributes[queue.AttrProject] != c.project {
			t.Errorf("%s: %v", c.reason, m.Attributes)
		}
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", strings.NewReader("{")))
	if w.Code != http.StatusBadRequest {
		t.Errorf("not a push: %d", w.Code)
	}
}

// Parking needs the dead-letter topic: while it cannot be reached, the message
// is not acknowledged.
func TestPoisonIsNotLost(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.handler = store.New(s.Databases, queue.NewPublisher(s.ps, "no-such-topic", time.Second), s.publisher(topology.TopicLinks))
	if code := s.push([]byte("garbage"), map[string]string{queue.AttrProject: "app"}); code != http.StatusServiceUnavailable {
		t.Errorf("status %d, want 503", code)
	}
}
