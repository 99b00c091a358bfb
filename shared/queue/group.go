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
	// company is how many requests make a message cheap for each: it waits for no more.
	company = 8
)

// Group is a group commit: requests that arrive while a message of their project is on
// its way share the next one, so that the cost of an event falls as load rises. It goes
// when nothing of its project is on its way and as many are in it as the last one leads
// to expect, or at the end of its linger; who comes alone goes at once.
type Group struct {
	pub    *Publisher
	linger time.Duration

	mu      sync.Mutex
	lanes   map[string]*lane // by project
	pending int              // bytes in batches that are not yet stored
}

// lane is the way of a project's messages; there is none while nobody is on it and
// nobody but the next is expected.
type lane struct {
	open     *batch // for others to join; nil: none
	sending  int    // batches on their way
	expected int    // requests that come again, as clients do that send one after the other
}

// payloads are the buffers of batches: what a message held is packed before it is
// sent, and the buffer serves the next.
var payloads = sync.Pool{New: func() any { return new([]byte) }}

// batch becomes one message. Who opens it also sends it, unless it is filled before.
type batch struct {
	project string
	payload *[]byte
	shared  int           // requests in it
	turn    chan struct{} // closed when it need wait for nobody any more
	done    chan struct{} // closed when err is set
	err     error
}

// NewGroup makes a group that keeps a message open for others to join for the linger at
// most.
func NewGroup(pub *Publisher, linger time.Duration) *Group {
	return &Group{pub: pub, linger: linger, lanes: map[string]*lane{}}
}

// Commit adds n items, each appended to a payload by the function, and returns
// once all of them are stored by Pub/Sub. An error means that some may not be.
// Who sends for others does so though its own context ends.
func (g *Group) Commit(ctx context.Context, project string, n int, add func(payload []byte, i int) []byte) error {
	joined, opened, err := g.join(project, n, add)
	if opened != nil {
		g.send(opened)
	}
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

// join appends the items to as many batches as they need. The one that is left open, if
// the caller has opened it, is the caller's to send.
func (g *Group) join(project string, n int, add func([]byte, int) []byte) (joined []*batch, opened *batch, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.lanes[project]
	if l == nil {
		l = &lane{}
	}
	for i := range n {
		if g.pending > maxPending {
			return joined, opened, fault.New(fault.Unavailable, "too much is waiting for the message queue; try again")
		}
		if l.open == nil {
			opened = &batch{project: project, payload: payloads.Get().(*[]byte), turn: make(chan struct{}), done: make(chan struct{})}
			l.open = opened
			g.lanes[project] = l
		}
		b := l.open
		if len(joined) == 0 || joined[len(joined)-1] != b {
			joined = append(joined, b)
			b.shared++
			l.yield()
		}
		before := len(*b.payload)
		*b.payload = add(*b.payload, i)
		g.pending += len(*b.payload) - before
		if len(*b.payload) >= messageSize {
			g.close(l)
			opened = nil
			go g.publish(b, l)
		}
	}
	return joined, opened, nil
}

// yield gives the open batch its turn if there is nobody to wait for.
func (l *lane) yield() {
	if l.sending > 0 || l.open == nil || l.open.shared < l.expected {
		return
	}
	select {
	case <-l.open.turn: // it has it already
	default:
		close(l.open.turn)
	}
}

// close lets nobody join the lane's batch any more: it is on its way.
func (g *Group) close(l *lane) {
	l.open = nil
	l.sending++
}

// send publishes a batch at its turn, or at the end of its linger.
func (g *Group) send(b *batch) {
	linger := time.NewTimer(g.linger)
	select {
	case <-b.turn:
	case <-linger.C:
	case <-b.done: // filled
	}
	linger.Stop()
	g.mu.Lock()
	l := g.lanes[b.project]
	last := l != nil && l.open == b
	if last {
		g.close(l)
	}
	g.mu.Unlock()
	if last {
		g.publish(b, l)
	}
}

// publish sends a batch that nobody can join any more. It outlives the requests
// in it: one that goes away does not take the others' events with it. A panic is its
// sender's alone, too: the others hear that their events are not stored.
func (g *Group) publish(b *batch, l *lane) {
	size := len(*b.payload)
	b.err = fault.New(fault.Unavailable, "the message was not sent; send it again")
	defer g.arrived(b, l, size)
	data := event.PackFast(*b.payload)
	*b.payload = (*b.payload)[:0]
	payloads.Put(b.payload)
	b.payload = nil
	b.err = g.pub.Publish(context.Background(), data, map[string]string{AttrProject: b.project})
}

// arrived answers who waits for a batch of that size, and gives the next its turn.
func (g *Group) arrived(b *batch, l *lane, size int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	defer close(b.done) // who is answered may come again at once, and is expected by then
	g.pending -= size
	l.sending--
	l.expected = b.shared
	if l.open != nil {
		l.expected += l.open.shared
	}
	l.expected = min(l.expected, company)
	l.yield()
	if l.sending == 0 && l.open == nil && l.expected == 1 {
		delete(g.lanes, b.project)
	}
}
