package queue

import (
	"context"
	"sync"
	"time"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/fault"
)

// Limits of a group's messages.
const (
	// messageSize is where a message is closed, in bytes before compression. Store
	// writes what one message holds in a few transactions.
	messageSize = 1 << 20
	// maxPending bounds what may wait for Pub/Sub, in bytes before compression.
	maxPending = 64 << 20
	// quiet is for how long no two callers must have waited together for the next one
	// to be taken for alone.
	quiet = time.Second
)

// Group is a group commit: requests that arrive together share a message, so
// that the cost of an event falls as load rises. A message belongs to one
// project.
type Group struct {
	pub    *Publisher
	linger time.Duration

	mu      sync.Mutex
	open    map[string]*batch // by project
	waiting int               // callers of Commit
	shared  time.Time         // when one last found others waiting
	pending int               // bytes in batches that are not yet stored
}

// payloads are the buffers of batches: what a message held is packed before it is
// sent, and the buffer serves the next.
var payloads = sync.Pool{New: func() any { return new([]byte) }}

// batch becomes one message.
type batch struct {
	project string
	payload *[]byte
	done    chan struct{} // closed when err is set
	err     error
}

// NewGroup makes a group that keeps a message open for others to join for the
// linger at most, and not at all while callers come one by one.
func NewGroup(pub *Publisher, linger time.Duration) *Group {
	return &Group{pub: pub, linger: linger, open: map[string]*batch{}}
}

// Commit adds n items, each appended to a payload by the function, and returns
// once all of them are stored by Pub/Sub. An error means that some may not be.
func (g *Group) Commit(ctx context.Context, project string, n int, add func(payload []byte, i int) []byte) error {
	joined, err := g.join(project, n, add)
	defer g.leave()
	for _, b := range joined {
		select {
		case <-b.done:
			if b.err != nil {
				err = b.err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return err
}

// join appends the items to as many batches as they need.
func (g *Group) join(project string, n int, add func([]byte, int) []byte) ([]*batch, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	linger, now := g.linger, time.Now()
	if g.waiting > 0 {
		g.shared = now
	}
	if now.Sub(g.shared) > quiet {
		linger = 0
	}
	g.waiting++
	var joined []*batch
	for i := range n {
		if g.pending > maxPending {
			return joined, fault.New(fault.Unavailable, "too much is waiting for the message queue; try again")
		}
		b := g.open[project]
		if b == nil {
			b = &batch{project: project, payload: payloads.Get().(*[]byte), done: make(chan struct{})}
			g.open[project] = b
			time.AfterFunc(linger, func() { g.close(b) })
		}
		if len(joined) == 0 || joined[len(joined)-1] != b {
			joined = append(joined, b)
		}
		before := len(*b.payload)
		*b.payload = add(*b.payload, i)
		g.pending += len(*b.payload) - before
		if len(*b.payload) >= messageSize {
			delete(g.open, project)
			go g.publish(b)
		}
	}
	return joined, nil
}

func (g *Group) leave() {
	g.mu.Lock()
	g.waiting--
	g.mu.Unlock()
}

// close ends a batch's linger, unless it was filled before.
func (g *Group) close(b *batch) {
	g.mu.Lock()
	last := g.open[b.project] == b
	if last {
		delete(g.open, b.project)
	}
	g.mu.Unlock()
	if last {
		g.publish(b)
	}
}

// publish sends a batch that nobody can join any more. It outlives the requests
// in it: one that goes away does not take the others' events with it.
func (g *Group) publish(b *batch) {
	size := len(*b.payload)
	data := event.PackFast(*b.payload)
	*b.payload = (*b.payload)[:0]
	payloads.Put(b.payload)
	b.payload = nil
	b.err = g.pub.Publish(context.Background(), data, map[string]string{AttrProject: b.project})
	close(b.done)
	g.mu.Lock()
	g.pending -= size
	g.mu.Unlock()
}
