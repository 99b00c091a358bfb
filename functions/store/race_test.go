package store_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/event"
)

// Deliveries race erasures of the same persons. Whatever the order, nothing
// received at or before a person's fence is left, and everything after it is.
func TestFenceRace(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	rnd := rand.New(rand.NewPCG(seed, 0))
	s := newSystem(t)
	const persons, batches = 8, 60
	fences := make([]event.Millis, persons)
	for i := range fences {
		fences[i] = t0 + event.Millis(rnd.IntN(batches))
	}
	var wg sync.WaitGroup
	for b := range batches {
		var payload []byte
		for p := range persons {
			e := ev(fmt.Sprint("p", p), b, t0+event.Millis(b))
			payload = event.AppendEvent(payload, &e)
		}
		if b == 0 { // first sight; from here on deliveries only share a read
			s.deliver(payload)
			continue
		}
		wait := time.Duration(rnd.IntN(1000)) * time.Millisecond
		wg.Go(func() {
			<-time.After(wait) // spreads the deliveries over the erasures
			s.deliver(payload)
		})
	}
	for p := range persons {
		wait := time.Duration(rnd.IntN(1000)) * time.Millisecond
		wg.Go(func() {
			<-time.After(wait)
			s.erase(fmt.Sprint("p", p), fences[p])
		})
	}
	wg.Wait()
	for p := range persons {
		ids, _ := s.stored(fmt.Sprint("p", p))
		after := batches - 1 - int(fences[p]-t0)
		if len(ids) != after {
			t.Errorf("seed %d: person %d has %d events, want the %d received after the fence", seed, p, len(ids), after)
		}
	}
}

// Many messages bring the same new persons at once.
func TestFirstSightTogether(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	const persons, messages = 5, 12
	var wg sync.WaitGroup
	for m := range messages {
		var payload []byte
		for p := range persons {
			e := ev(fmt.Sprint("p", p), m, t0)
			payload = event.AppendEvent(payload, &e)
		}
		wg.Go(func() { s.deliver(payload) })
	}
	wg.Wait()
	for p := range persons {
		if ids, _ := s.stored(fmt.Sprint("p", p)); len(ids) != messages {
			t.Errorf("person %d has %d events, want %d", p, len(ids), messages)
		}
	}
	if n := s.deliveries.Load(); n > messages {
		t.Errorf("%d deliveries of %d messages", n, messages)
	}
}

// An SDK's operations on one person, each in a message of its own, arrive at once.
func TestManyOperationsTogether(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	const messages = 20
	var wg sync.WaitGroup
	for m := range messages {
		wg.Go(func() {
			s.deliver(opBatch(op(fmt.Sprint("r", m), 0, t0+event.Millis(m), "$add", `{"n":1}`)))
		})
	}
	wg.Wait()
	if got := s.doc("ann").Profile; got != fmt.Sprintf(`{"n":%d}`, messages) {
		t.Errorf("profile %s", got)
	}
	if n := s.deliveries.Load(); n > messages {
		t.Errorf("%d deliveries of %d messages", n, messages)
	}
}

// erase writes a person's fence and then removes what was received up to it, as
// an erasure does.
func (s *system) erase(id string, fence event.Millis) {
	if _, err := s.ref(id).Set(ctx, map[string]any{"erased_at": fence.Time()}, firestore.MergeAll); err != nil {
		s.t.Error(err)
		return
	}
	docs, err := s.ref(id).Collection(chunk.Collection).Documents(ctx).GetAll()
	if err != nil {
		s.t.Error(err)
	}
	for _, d := range docs {
		if received, _ := d.Data()["received"].(time.Time); received.After(fence.Time()) {
			continue
		}
		if _, err := d.Ref.Delete(ctx); err != nil {
			s.t.Error(err)
		}
	}
}
