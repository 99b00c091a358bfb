package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"cloud.google.com/go/firestore"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/storage"
	"google.golang.org/api/iterator"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/profile"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/topology"
)

// sending is an event that a client sent, and when.
type sending struct {
	person       string
	begun, acked time.Time // acked is zero if no answer came
}

// erasing is clients that go on sending for persons who are being erased.
type erasing struct {
	*storm
	all map[string]*sending // by insert id
}

// TestErasureStorm erases persons for whom clients go on sending, while workers are
// killed and messages delivered again. When the receipts are out, nothing that was
// received at or before the fence is anywhere, and all that came after is kept.
func TestErasureStorm(t *testing.T) {
	t.Parallel()
	s := &erasing{all: map[string]*sending{},
		storm: &storm{live: startGuest(t), seed: uint64(time.Now().UnixNano()), acked: map[string]map[string]bool{}, sent: map[string]map[string]bool{}}}
	t.Logf("seed %d", s.seed)
	rnd := rand.New(rand.NewPCG(s.seed, 0))
	erased, others := []string{"storm/0", "storm/1", "storm/2"}, []string{"storm/3", "storm/4"}
	for _, p := range append(erased, others...) {
		s.send(t.Context(), p, "first-"+p[6:], 3)
	}
	ctx, stop := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	var atMost atomic.Int64 // of a client's pause
	atMost.Store(int64(250 * time.Millisecond))
	for c := range 3 {
		clients.Go(func() {
			own := rand.New(rand.NewPCG(s.seed, uint64(c+1)))
			for n := 0; pause(ctx, own, time.Duration(atMost.Load())); n++ {
				s.send(context.Background(), fmt.Sprint("storm/", own.IntN(5)), fmt.Sprintf("c%d-%d", c, n), 1+own.IntN(6))
			}
		})
	}
	s.moreAcked(t, 30)
	s.park(t, "storm/0", "storm/3")
	archive := s.ask(t, "/v1/exports", `{"distinct_ids":["storm/0","storm/3"]}`)
	faults := []string{"/functions/store/kill", "/functions/delete-worker/kill", "/functions/export-worker/kill", "/functions/delete-worker/kill", "/functions/delete/kill"}
	rnd.Shuffle(len(faults), func(i, j int) { faults[i], faults[j] = faults[j], faults[i] })
	requests := []string{
		s.ask(t, "/v1/deletions", `{"distinct_ids":["storm/0","storm/1"]}`),
		s.ask(t, "/v1/deletions", `{"distinct_ids":["storm/1","storm/2"]}`), // they overlap
	}
	for _, fault := range faults {
		s.moreAcked(t, 1+rnd.IntN(20))
		s.control(t, fault)
	}
	if again := s.ask(t, "/v1/deletions", `{"distinct_ids":["storm/1","storm/0"]}`); again != requests[0] {
		t.Errorf("the same request has the ids %s and %s", requests[0], again)
	}
	atMost.Store(int64(2 * time.Second)) // who was killed leaves a lease, which ends in a minute
	fences := map[string]time.Time{}
	for _, id := range requests {
		s.receipt(t, id, fences)
	}
	atMost.Store(int64(250 * time.Millisecond))
	s.moreAcked(t, 20)
	stop()
	clients.Wait()
	s.look(t, erased, fences)
	for _, p := range others {
		s.look(t, []string{p}, nil)
	}
	s.deadLetters(t, fences)
	if code, body, err := s.call(t.Context(), "GET", s.env["LETHE_URL"]+"/v1/exports/"+archive, ""); err != nil || code != 200 || strings.Contains(body, `"url":`) {
		t.Errorf("the archive of an erased person: %d %s %v", code, body, err)
	}
	if left := s.objects(t); len(left) > 0 {
		t.Errorf("left of the archive: %v", left)
	}
	s.endsBy(t, syscall.SIGINT, 128+15) // COMMAND gets SIGTERM, and its status is ours
}

// send sends n events of a person in one request, until it is acknowledged.
func (s *erasing) send(ctx context.Context, person, id string, n int) {
	var items []string
	begun := time.Now()
	s.mu.Lock()
	for i := range n {
		own := fmt.Sprintf("%s-%d", id, i)
		s.all[own] = &sending{person: person, begun: begun}
		items = append(items, fmt.Sprintf(`{"event":"Seen","properties":{"token":%q,"distinct_id":%q,"$insert_id":%q}}`, s.env["LETHE_TOKEN"], person, own))
	}
	s.mu.Unlock()
	for range 100 {
		code, answer, err := s.post("[" + strings.Join(items, ",") + "]")
		if err == nil && code == http.StatusOK && answer == "1" {
			s.mu.Lock()
			for i := range n {
				s.all[fmt.Sprintf("%s-%d", id, i)].acked = time.Now()
			}
			if s.acked[person] == nil {
				s.acked[person] = map[string]bool{}
			}
			for i := range n {
				s.acked[person][fmt.Sprintf("%s-%d", id, i)] = true
			}
			s.mu.Unlock()
			return
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// ask makes a request and returns its id.
func (s *erasing) ask(t *testing.T, path, body string) (id string) {
	t.Helper()
	local.Eventually(t, 2*time.Minute, func() error {
		code, answer, err := s.call(t.Context(), "POST", s.env["LETHE_URL"]+path, body)
		if err != nil || code != http.StatusAccepted {
			return fmt.Errorf("%s: %d %s %v", path, code, answer, err)
		}
		var a struct{ ID string }
		err = json.Unmarshal([]byte(answer), &a)
		id = a.ID
		return err
	})
	return id
}

// receipt waits for a deletion's receipt and reads the fences out of it.
func (s *erasing) receipt(t *testing.T, id string, fences map[string]time.Time) {
	t.Helper()
	var jws string
	local.Eventually(t, 5*time.Minute, func() error {
		code, answer, err := s.call(t.Context(), "GET", s.env["LETHE_URL"]+"/v1/deletions/"+id+"/receipt", "")
		if err != nil || code != http.StatusOK {
			return fmt.Errorf("seed %d: receipt: %d %s %v", s.seed, code, answer, err)
		}
		jws = answer
		return nil
	})
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(jws, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var r struct {
		Subjects []struct {
			Identity string
			Fence    time.Time
		}
	}
	if err := json.Unmarshal(payload, &r); err != nil || len(r.Subjects) != 2 {
		t.Fatalf("%s: %v", payload, err)
	}
	for _, subject := range r.Subjects {
		if subject.Fence.After(fences[subject.Identity]) {
			fences[subject.Identity] = subject.Fence
		}
	}
}

// park puts events of two persons into the dead letters.
func (s *erasing) park(t *testing.T, ids ...string) {
	t.Helper()
	var payload []byte
	for _, id := range ids {
		payload = event.AppendEvent(payload, &event.Event{Name: "Seen", DistinctID: id, InsertID: "parked", Time: event.Now(), Received: event.Now(), Properties: "{}"})
	}
	client := s.clients(t).pubsub
	if _, err := client.TopicAdminClient.Publish(t.Context(), &pubsubpb.PublishRequest{
		Topic: local.TopicName(s.env["GOOGLE_CLOUD_PROJECT"], topology.DeadTopic(topology.TopicEvents)),
		Messages: []*pubsubpb.PubsubMessage{{Data: event.PackFast(payload),
			Attributes: map[string]string{queue.AttrProject: demoProject, queue.AttrReason: "a test"}}},
	}); err != nil {
		t.Fatal(err)
	}
}

// look waits until all that was acknowledged after the fence is stored, and demands
// that nothing from before it is, in the timeline and in the documents.
func (s *erasing) look(t *testing.T, persons []string, fences map[string]time.Time) {
	t.Helper()
	db := s.clients(t).dbs[topology.DefaultDatabase]
	p, err := project.Get(t.Context(), db, demoProject)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range persons {
		key := person.MakeKey(p.Secret, id)
		fence := fences[string(key)]
		if fences != nil && fence.IsZero() {
			t.Fatalf("no receipt tells the fence of %s", id)
		}
		defer s.tellStored(t, db, id, key)
		local.Eventually(t, 3*time.Minute, func() error {
			counts := s.timeline(t, id)
			var wrong []string
			for insertID, e := range s.all {
				// Events and fences have milliseconds, and what comes in the fence's own is before it.
				begun := e.begun.Truncate(time.Millisecond)
				if e.person == id && !e.acked.IsZero() && begun.After(fence) && counts[insertID] != 1 {
					wrong = append(wrong, fmt.Sprintf("%s, sent %v after the fence and acknowledged in %v, is there %d times", insertID, begun.Sub(fence), e.acked.Sub(begun), counts[insertID]))
				}
			}
			if len(wrong) > 0 {
				slices.Sort(wrong)
				return fmt.Errorf("seed %d: %s, fence %v, %d events are there: %s", s.seed, id, fence, len(counts), strings.Join(wrong, "; "))
			}
			return nil
		})
		for insertID := range s.timeline(t, id) {
			if e := s.all[insertID]; e == nil || !e.acked.IsZero() && e.acked.Before(fence) {
				t.Errorf("seed %d: %s: %s is there, from before the fence %v: %+v", s.seed, id, insertID, fence, e)
			}
		}
		for d, err := range chunk.PersonDays(t.Context(), db, demoProject, key, "1970-01-01", "9999-12-31") {
			if err != nil {
				t.Fatal(err)
			}
			for _, doc := range d.Docs {
				err := event.Unpack(doc.Data, func(e *event.Event) error {
					if !e.Received.Time().After(fence) {
						t.Errorf("seed %d: %s: a chunk holds an event received at %v; the fence is %v", s.seed, id, e.Received.Time(), fence)
					}
					return nil
				}, nil)
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		if fences == nil {
			continue
		}
		for _, c := range []string{profile.Collection, person.ConsentsCollection} {
			if docs, err := person.Ref(db, demoProject, key).Collection(c).Documents(t.Context()).GetAll(); err != nil || len(docs) > 0 {
				t.Errorf("%d documents in %s, %v", len(docs), c, err)
			}
		}
	}
}

// tellStored tells of a test that has failed what the documents hold of a person, beside
// what the timeline shows.
func (s *erasing) tellStored(t *testing.T, db *firestore.Client, id string, key person.Key) {
	if !t.Failed() {
		return
	}
	doc, err := person.Ref(db, demoProject, key).Get(context.Background())
	if err == nil {
		t.Logf("seed %d: %s: %v", s.seed, id, doc.Data())
	}
	for d, err := range chunk.PersonDays(context.Background(), db, demoProject, key, "1970-01-01", "9999-12-31") {
		if err != nil {
			t.Log(err)
			return
		}
		for _, c := range d.Docs {
			err := event.Unpack(c.Data, func(e *event.Event) error {
				t.Logf("seed %d: %s: stored is %s, received at %v", s.seed, id, e.InsertID, e.Received.Time())
				return nil
			}, nil)
			if err != nil {
				t.Log(err)
			}
		}
	}
}

// deadLetters demands that the parked message has lost the erased person, and no
// other.
func (s *erasing) deadLetters(t *testing.T, fences map[string]time.Time) {
	t.Helper()
	client := s.clients(t).pubsub
	left := 0
	local.Eventually(t, time.Minute, func() error {
		got, err := client.SubscriptionAdminClient.Pull(t.Context(), &pubsubpb.PullRequest{
			Subscription: local.SubscriptionName(s.env["GOOGLE_CLOUD_PROJECT"], topology.DeadTopic(topology.TopicEvents)), MaxMessages: 100})
		if err != nil {
			return err
		}
		for _, m := range got.ReceivedMessages {
			err := event.Unpack(m.Message.Data, func(e *event.Event) error {
				if e.InsertID == "parked" && e.DistinctID == "storm/0" {
					t.Errorf("seed %d: a dead letter holds an event from before the fence", s.seed)
				}
				if e.InsertID == "parked" && e.DistinctID == "storm/3" {
					left++
				}
				return nil
			}, nil)
			if err != nil {
				return err
			}
		}
		if left == 0 {
			return fmt.Errorf("the parked event of another person is gone; %d fences", len(fences))
		}
		return nil
	})
}

// objects lists the archives of the bucket.
func (s *erasing) objects(t *testing.T) (names []string) {
	t.Helper()
	objects := s.clients(t).storage.Bucket(s.env["LETHE_BUCKET"]).Objects(t.Context(), &storage.Query{Prefix: "exports/"})
	for {
		o, err := objects.Next()
		if errors.Is(err, iterator.Done) {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, o.Name)
	}
}
