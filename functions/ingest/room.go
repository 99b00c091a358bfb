package ingest

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/web"
)

// maxLarge is how many large bodies are in hand at a time. Anybody can send one, of some
// kilobytes that unpack to the limit, and a form takes four times as much while it is
// decoded: an instance answers far more requests at a time than it has memory for.
const maxLarge = 3

// room is for the large bodies; those that find none wait for a while.
type room struct {
	places *semaphore.Weighted
	wait   time.Duration
}

func newRoom(wait time.Duration) *room { return &room{semaphore.NewWeighted(maxLarge), wait} }

// place is a request's in the room, which it takes once its body turns out to be large.
type place struct {
	*room
	taken bool
}

// take waits for the place, or asks to come again.
func (p *place) take(ctx context.Context, w http.ResponseWriter) error {
	if p.taken {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, p.wait)
	defer cancel()
	if err := p.places.Acquire(ctx, 1); err != nil {
		w.Header().Set("Retry-After", strconv.Itoa(web.RetryAfter))
		return fault.Wrap(fault.RateLimited, err, "too many large requests at a time; nothing of this one was taken, send it again later")
	}
	p.taken = true
	return nil
}

// leave gives the place to another.
func (p *place) leave() {
	if p.taken {
		p.places.Release(1)
	}
}
