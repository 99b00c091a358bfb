package ingest

import (
	"sync"
	"time"
)

// cache remembers values for between half its time and all of it, in two
// generations: the older is dropped whole. A look-up costs a fifth of that of an
// expiring LRU list, and ingest makes one for every event.
type cache[K comparable, V any] struct {
	half time.Duration
	most int // entries of a generation

	mu         sync.RWMutex
	young, old map[K]V
	turn       time.Time // when the generations change
}

func newCache[K comparable, V any](ttl time.Duration, most int) *cache[K, V] {
	return &cache[K, V]{half: ttl / 2, most: most, young: map[K]V{}, turn: time.Now().Add(ttl / 2)}
}

// age drops what is too old. To be called once a request, before get.
func (c *cache[K, V]) age(now time.Time) {
	c.mu.RLock()
	due := !now.Before(c.turn)
	c.mu.RUnlock()
	if !due {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if late := now.Sub(c.turn); late >= 0 {
		c.old = c.young
		if late >= c.half { // nobody asked for so long that all of it is old
			c.old = nil
		}
		c.young = map[K]V{}
		c.turn = now.Add(c.half)
	}
}

func (c *cache[K, V]) get(key K) (v V, ok bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if v, ok = c.young[key]; !ok {
		v, ok = c.old[key]
	}
	return v, ok
}

func (c *cache[K, V]) put(key K, v V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.young) >= c.most {
		c.old, c.young = c.young, map[K]V{}
	}
	c.young[key] = v
}
