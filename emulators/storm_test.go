package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/emulators/local"
)

// storm is clients that go on sending while parts of the system are killed.
type storm struct {
	*live
	seed uint64

	mu    sync.Mutex
	acked map[string]map[string]bool // person → insert ids that were acknowledged
	sent  map[string]map[string]bool // all that were sent
}

const stormPersons = 6

// TestStorm makes one fault after the other. Then it kills functions in the middle of
// their work, stops Pub/Sub, and restarts Firestore, while clients send, and send again
// what was acknowledged. In the end every acknowledged event is there, once, and nothing
// that nobody sent.
func TestStorm(t *testing.T) {
	t.Parallel()
	p := raced(t, liveArgs()...)
	p.Env = append(p.Env, restartVariable+"=1")
	s := &storm{live: newLive(t, p), seed: uint64(time.Now().UnixNano()), acked: map[string]map[string]bool{}, sent: map[string]map[string]bool{}}
	t.Logf("seed %d", s.seed)
	rnd := rand.New(rand.NewPCG(s.seed, 0))
	// Known persons: a process that is killed inside a transaction leaves its locks
	// for a minute, in production too, and only who is new waits for them.
	for person := range stormPersons {
		id := fmt.Sprint("known-", person)
		s.note(s.sent, fmt.Sprint("storm/", person), []string{id})
		local.Eventually(t, time.Minute, func() error { return s.track(t.Context(), fmt.Sprint("storm/", person), id) })
	}
	s.seen(t, stormPersons)
	s.faults(t, stormPersons)
	ctx, stop := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for c := range 4 {
		clients.Go(func() { s.client(ctx, t, c) })
	}
	faults := []string{"/functions/store/kill", "/functions/store/kill", "/functions/ingest/kill", "/firestore/restart"}
	rnd.Shuffle(len(faults), func(i, j int) { faults[i], faults[j] = faults[j], faults[i] })
	for i, fault := range append(faults, "/functions/store/kill") {
		s.moreAcked(t, 40)
		s.control(t, fault)
		if i == 2 {
			s.control(t, "/pubsub/pause")
			s.control(t, "/functions/store/kill")
			s.control(t, "/pubsub/resume")
		}
	}
	s.moreAcked(t, 40)
	stop()
	clients.Wait()
	total := 0
	for person := range stormPersons {
		total += s.check(t, fmt.Sprint("storm/", person))
	}
	s.seen(t, total+faultsEvents)
	s.losesPubSub(t)
}

// client sends batches until the context ends: new ones, now and then one that was
// acknowledged before, and after a failure the same again, as SDKs do.
func (s *storm) client(ctx context.Context, t *testing.T, c int) {
	rnd := rand.New(rand.NewPCG(s.seed, uint64(c+1)))
	var before string
	for n := 0; pause(ctx, rnd, 80*time.Millisecond); n++ {
		person := fmt.Sprint("storm/", rnd.IntN(stormPersons))
		var ids, items []string
		for i := range 1 + rnd.IntN(8) {
			id := fmt.Sprintf("c%d-%d-%d", c, n, i)
			ids = append(ids, id)
			items = append(items, fmt.Sprintf(`{"event":"Seen","properties":{"token":%q,"distinct_id":%q,"time":%d,"$insert_id":%q}}`,
				s.env["LETHE_TOKEN"], person, time.Now().Unix(), id))
		}
		s.note(s.sent, person, ids)
		body := "[" + strings.Join(items, ",") + "]"
		if before != "" && rnd.IntN(4) == 0 {
			_, _, _ = s.post(before)
		}
		for tries := rnd.IntN(10); tries >= 0 && ctx.Err() == nil; tries-- { // a client may give up
			code, answer, err := s.post(body)
			if err == nil && code == http.StatusOK && answer == "1" {
				s.note(s.acked, person, ids)
				before = body
				break
			}
			if code == http.StatusOK {
				t.Errorf("answer %q", answer)
			}
		}
	}
}

// pause is the time that a client takes between two requests, so that a storm costs no
// more than it has to show; false if the context ends.
func pause(ctx context.Context, rnd *rand.Rand, atMost time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(time.Duration(rnd.Int64N(int64(atMost)))):
		return true
	}
}

// post ignores the test's context: what is under way when it ends is finished.
func (s *storm) post(body string) (int, string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	code, answer, err := s.call(ctx, "POST", s.env["LETHE_URL"]+"/track", body)
	return code, strings.TrimSpace(answer), err
}

func (s *storm) note(set map[string]map[string]bool, person string, ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if set[person] == nil {
		set[person] = map[string]bool{}
	}
	for _, id := range ids {
		set[person][id] = true
	}
}

// moreAcked waits until so many more events have been acknowledged.
func (s *storm) moreAcked(t *testing.T, more int) {
	t.Helper()
	count := func() (n int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, ids := range s.acked {
			n += len(ids)
		}
		return n
	}
	start := count()
	local.Eventually(t, 2*time.Minute, func() error {
		if n := count(); n < start+more {
			return fmt.Errorf("seed %d: %d more acknowledged, want %d", s.seed, n-start, more)
		}
		return nil
	})
}

// check waits until all that was acknowledged of a person is in the timeline, then
// demands that each event is there once and was sent, and returns their number.
func (s *storm) check(t *testing.T, person string) int {
	t.Helper()
	var counts map[string]int
	local.Eventually(t, 3*time.Minute, func() error {
		counts = s.timeline(t, person)
		for id := range s.acked[person] {
			if counts[id] == 0 {
				return fmt.Errorf("seed %d: %s: the acknowledged event %s is not there", s.seed, person, id)
			}
		}
		return nil
	})
	for id, n := range counts {
		if n != 1 || !s.sent[person][id] {
			t.Errorf("seed %d: %s: event %s is there %d times; sent: %v", s.seed, person, id, n, s.sent[person][id])
		}
	}
	return len(counts)
}

// timeline counts the insert ids of a person's events.
func (s *storm) timeline(t *testing.T, person string) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for cursor := ""; ; {
		code, body, err := s.call(t.Context(), "GET", s.env["LETHE_URL"]+"/v1/people/"+strings.ReplaceAll(person, "/", "%2F")+"/events?limit=1000&cursor="+cursor, "")
		if code == http.StatusNotFound {
			return counts // nothing of a new life is stored yet
		}
		if code >= 400 && code < 500 {
			t.Fatalf("timeline: %d %s", code, body)
		}
		if err != nil || code != http.StatusOK {
			return counts // the gateway has lost the function; asked again
		}
		var page struct {
			Events []struct {
				Properties struct {
					InsertID string `json:"$insert_id"`
				}
			}
			Next string `json:"next_cursor"`
		}
		if err := json.Unmarshal([]byte(body), &page); err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Events {
			counts[e.Properties.InsertID]++
		}
		if cursor = page.Next; cursor == "" {
			return counts
		}
	}
}
