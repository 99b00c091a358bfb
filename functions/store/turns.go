package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/lethe-analytics/lethe/shared/person"
)

// turns keeps the transactions of this process out of each other's way. Several
// that read a person and then write the same document lock each other out in
// Firestore until they time out; several that only read share it. So whoever is
// going to write a person's document takes its turn alone, the others together.
// Other instances of the function are left to Firestore.
type turns struct {
	mu       sync.Mutex
	byPerson map[person.Key]*turn
}

// turn is the semaphore of one person, while anybody wants it.
type turn struct {
	sem    *semaphore.Weighted
	wanted int
}

// everyone is the weight of a turn taken alone.
const everyone = 1 << 30

// want is a turn to be taken.
type want struct {
	key   person.Key
	alone bool
}

func (w want) weight() int64 {
	if w.alone {
		return everyone
	}
	return 1
}

// take waits for all the turns, which it asks for in one order, so that no two
// callers wait for each other.
func (t *turns) take(ctx context.Context, wants []want) (release func(), err error) {
	slices.SortFunc(wants, func(a, b want) int { return strings.Compare(string(a.key), string(b.key)) })
	taken := 0
	release = func() {
		for _, w := range wants[:taken] {
			t.leave(w.key).sem.Release(w.weight())
		}
	}
	for _, w := range wants {
		if err := t.enter(w.key).sem.Acquire(ctx, w.weight()); err != nil {
			t.leave(w.key)
			release()
			return nil, fmt.Errorf("wait for another batch of the same person: %w", err)
		}
		taken++
	}
	return release, nil
}

func (t *turns) enter(key person.Key) *turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	u := t.byPerson[key]
	if u == nil {
		u = &turn{sem: semaphore.NewWeighted(everyone)}
		t.byPerson[key] = u
	}
	u.wanted++
	return u
}

func (t *turns) leave(key person.Key) *turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	u := t.byPerson[key]
	if u.wanted--; u.wanted == 0 {
		delete(t.byPerson, key)
	}
	return u
}
