package erase_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/emulators/local"
	erase "github.com/lethe-analytics/lethe/functions/delete"
	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
)

// Histories of one run. They wait for sweeps most of the time, so many go on at once.
const (
	historyGroups = 4
	historiesEach = 6
)

// While SDKs send without pause and devices log in, workers are killed and messages come
// again, persons are erased: in the end nothing of what came before is anywhere, and all
// of what came after, or of others, is there. LETHE_SEED repeats a run's choices; how its
// concurrent steps meet is left to the machine.
func TestHistories(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	if text := os.Getenv("LETHE_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("LETHE_SEED=%d", seed)
	for g := range historyGroups {
		t.Run(fmt.Sprint(g), func(t *testing.T) {
			t.Parallel()
			var running sync.WaitGroup
			for i := range historiesEach {
				n := uint64(g*historiesEach + i)
				running.Go(func() {
					t.Run(fmt.Sprint(i), func(t *testing.T) { newHistory(t, rand.New(rand.NewPCG(seed, n))).run() })
				})
			}
			running.Wait()
		})
	}
}

// message is one of the events topic.
type message struct {
	events []event.Event
	ops    []event.Op
	acked  bool
}

func (m *message) data() []byte { return local.Payload(m.events, m.ops...) }

// history is a tenant and what has happened to it.
type history struct {
	*world
	rng     *rand.Rand
	ids     []string          // users, and devices
	owners  map[string]string // of the devices: the one user who logs in there
	workers []http.Handler
	running sync.WaitGroup // steps in the background

	mu       sync.Mutex // what the background changes: acked
	messages []*message
	parked   map[string]event.Event // by insert id: in the dead letters, and never taken out
	exports  map[string][]string    // persons
	asked    []string               // deletions
	n        int                    // of events, for unique ids
}

func newHistory(t *testing.T, rng *rand.Rand) *history {
	h := &history{world: newWorld(t, time.Minute), rng: rng, parked: map[string]event.Event{}, exports: map[string][]string{}, owners: map[string]string{}}
	for _, slice := range []time.Duration{time.Millisecond, 100 * time.Millisecond, time.Minute} {
		c := h.config
		c.Slice = slice
		h.workers = append(h.workers, erase.NewWorker(c, erase.Stores{Databases: h.Databases, PubSub: h.ps, Bucket: h.bucket}, h.signer))
	}
	users := 2 + rng.IntN(3)
	for i := range users {
		h.ids = append(h.ids, fmt.Sprint("p", i))
	}
	for i := range 1 + rng.IntN(5) {
		device := fmt.Sprint("$device:", i)
		h.ids, h.owners[device] = append(h.ids, device), h.ids[rng.IntN(users)]
	}
	return h
}

func (h *history) some(most int) []string {
	ids := slices.Clone(h.ids)
	h.rng.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	return ids[:1+h.rng.IntN(min(most, len(ids)))]
}

// run does steps, now and then while the one before is still on its way, and brings
// it all to its end.
func (h *history) run() {
	h.erase(h.some(2)) // in each history something is erased
	for range 8 + h.rng.IntN(10) {
		step := h.step()
		if step == nil {
			continue
		}
		if h.rng.IntN(2) == 0 {
			h.running.Go(step)
			continue
		}
		step()
		if h.rng.IntN(3) == 0 {
			h.later()
		}
	}
	h.end()
	newVerdict(h).check()
}

// step draws what happens next. What is drawn is drawn now: the step itself may run
// in the background.
func (h *history) step() func() {
	ctx, cancel := h.killed()
	switch n := h.rng.IntN(20); {
	case n < 7:
		m := h.newMessage()
		return func() { defer cancel(); h.push(ctx, m) }
	case n < 10 && len(h.messages) > 0:
		m := h.messages[h.rng.IntN(len(h.messages))]
		return func() { defer cancel(); h.push(ctx, m) }
	case n < 15 && len(h.asked) > 0:
		id, worker := h.asked[h.rng.IntN(len(h.asked))], h.workers[h.rng.IntN(len(h.workers))]
		return func() { defer cancel(); h.work(ctx, worker, id) }
	}
	cancel()
	switch n := h.rng.IntN(8); {
	case n < 2:
		h.erase(h.some(3))
	case n < 4:
		h.parkNew()
	case n < 5:
		return h.replay()
	case n < 7:
		h.later()
		h.archive(h.some(3))
	}
	return nil
}

// killed is the context of a worker, which may be killed at any moment.
func (h *history) killed() (context.Context, context.CancelFunc) {
	if h.rng.IntN(3) > 0 {
		return context.WithCancel(h.t.Context())
	}
	return context.WithTimeout(h.t.Context(), time.Millisecond<<h.rng.IntN(10))
}

// newMessage makes a message of what some persons have done by now.
func (h *history) newMessage() *message {
	m := &message{}
	for _, id := range h.some(4) {
		for range 1 + h.rng.IntN(3) {
			h.n++
			// Clocks differ: what an instance whose clock is ahead has received is
			// stored before a fence and came after it, beside what came before it.
			now := event.Now() + event.Millis(h.rng.IntN(3)*h.rng.IntN(60))
			e := event.Event{Name: "Seen", DistinctID: id, InsertID: fmt.Sprint("i", h.n), Time: now - 3_600_000, Received: now, Properties: fmt.Sprintf(`{"n":%d}`, h.n)}
			o := event.Op{DistinctID: id, Received: now, Request: fmt.Sprint("r", h.n), Name: "$add", Value: `{"visits":1}`}
			switch h.rng.IntN(12) {
			case 0, 1:
				m.ops = append(m.ops, o)
			case 2:
				o.Name, o.Value = "$set", fmt.Sprintf(`{"last":%d}`, h.n)
				m.ops = append(m.ops, o)
			case 3:
				o.Name, o.Value = person.ConsentOp, fmt.Sprintf(`{"state":%q,"source":"c%d"}`, []consent.State{consent.Granted, consent.Unset}[h.rng.IntN(2)], h.n)
				m.ops = append(m.ops, o)
			case 4, 5:
				if owner, ok := h.owners[id]; ok {
					e.Name, e.DistinctID, e.Properties = "$identify", owner, fmt.Sprintf(`{"$anon_distinct_id":%q}`, id)
				}
			}
			m.events = append(m.events, e)
		}
	}
	h.messages = append(h.messages, m)
	return m
}
