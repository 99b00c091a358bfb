package queue_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"google.golang.org/api/option"
	"google.golang.org/grpc"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/topology"
)

func add(size int) func([]byte, int) []byte {
	props := `{"x":"` + string(bytes.Repeat([]byte("y"), size)) + `"}`
	return func(payload []byte, i int) []byte {
		return event.AppendEvent(payload, &event.Event{Name: "Seen", Time: event.Millis(i + 1), Properties: props})
	}
}

// A large request takes several messages, none above the limit by more than one
// event, and nothing of it is lost.
func TestGroupCutsMessages(t *testing.T) {
	t.Parallel()
	tenant := local.NewTenant(t, nil)
	ps := tenant.OpenPubSub(t)
	g := queue.NewGroup(queue.NewPublisher(ps, topology.TopicEvents, 30*time.Second), time.Millisecond)
	const n, size = 50, 100_000
	if err := g.Commit(t.Context(), "app", n, add(size)); err != nil {
		t.Fatal(err)
	}
	seen := map[event.Millis]bool{}
	messages := 0
	for len(seen) < n {
		for _, m := range tenant.Pull(t, ps, topology.PushSubscription(topology.TopicEvents, "store"), 10) {
			messages++
			in := 0
			if err := event.Unpack(m.Data, func(e *event.Event) error { in++; seen[e.Time] = true; return nil }, nil); err != nil {
				t.Fatal(err)
			}
			if in > 11 {
				t.Errorf("%d events of 100 kB in one message", in)
			}
		}
	}
	if messages < 5 {
		t.Errorf("%d messages", messages)
	}
	if err := g.Commit(t.Context(), "app", 0, nil); err != nil {
		t.Errorf("nothing to commit: %v", err)
	}
}

// intercepted opens a Pub/Sub that calls a function before each message, with its number;
// an error is the answer.
func intercepted(t *testing.T, tenant *local.Tenant, before func(message int) error) *pubsub.Client {
	t.Helper()
	var messages atomic.Int32
	ps, err := gcp.OpenPubSub(t.Context(), tenant.Config, option.WithGRPCDialOption(grpc.WithUnaryInterceptor(
		func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			if strings.HasSuffix(method, "/Publish") {
				if err := before(int(messages.Add(1))); err != nil {
					return err
				}
			}
			return invoke(ctx, method, req, reply, cc, opts...)
		})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ps.Close() })
	return ps
}

// holdingFirst opens a Pub/Sub that counts messages, and the first of which is held on its
// way until all have come.
func holdingFirst(t *testing.T, tenant *local.Tenant) (ps *pubsub.Client, messages *atomic.Int32, held, all chan struct{}) {
	t.Helper()
	messages, held, all = new(atomic.Int32), make(chan struct{}), make(chan struct{})
	return intercepted(t, tenant, func(message int) error {
		messages.Add(1)
		if message == 1 {
			close(held)
			<-all
		}
		return nil
	}), messages, held, all
}

// Who comes while a message is on its way shares the next, which goes when that one has
// arrived.
func TestGroupShares(t *testing.T) {
	t.Parallel()
	tenant := local.NewTenant(t, nil)
	tenant.OpenPubSub(t, topology.TopicEvents)
	const n = 20
	ps, messages, held, all := holdingFirst(t, tenant)
	var joined atomic.Int32
	g := queue.NewGroup(queue.NewPublisher(ps, topology.TopicEvents, 30*time.Second), time.Hour)
	var wg sync.WaitGroup
	for i := range n {
		if i == 1 {
			<-held
		}
		wg.Go(func() {
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			last := false
			err := g.Commit(ctx, "app", 1, func(payload []byte, i int) []byte {
				if last = joined.Add(1) == n; last {
					leave() // who goes away is let go, and what it brought is stored
				}
				return add(1)(payload, i)
			})
			if last {
				close(all)
			}
			if last != errors.Is(err, context.Canceled) || !last && err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := messages.Load(); n != 2 {
		t.Errorf("%d messages", n)
	}
	events := 0
	for events < n {
		for _, m := range tenant.Pull(t, ps, topology.PushSubscription(topology.TopicEvents, "store"), 10) {
			_ = event.Unpack(m.Data, func(*event.Event) error { events++; return nil }, nil)
		}
	}
}

// Clients that send one request after the other share each message once they have met,
// and whoever is left waits for the others no longer than the linger.
func TestGroupWaitsForWhoComesAgain(t *testing.T) {
	t.Parallel()
	tenant := local.NewTenant(t, nil)
	tenant.OpenPubSub(t, topology.TopicEvents)
	const clients, rounds = 4, 10
	for name, linger := range map[string]time.Duration{"together": time.Hour, "one is left": 100 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ps, messages, held, all := holdingFirst(t, tenant)
			var joined atomic.Int32
			g := queue.NewGroup(queue.NewPublisher(ps, topology.TopicEvents, 30*time.Second), linger)
			commit := func() {
				if err := g.Commit(t.Context(), "app", 1, func(payload []byte, i int) []byte {
					if joined.Add(1) == clients {
						close(all)
					}
					return add(1)(payload, i)
				}); err != nil {
					t.Error(err)
				}
			}
			var wg sync.WaitGroup
			for i := range clients {
				if i == 1 {
					<-held
				}
				wg.Go(func() {
					for range rounds {
						commit()
					}
					if i == 0 { // alone on its way, once
						commit()
					}
				})
			}
			wg.Wait()
			if linger == time.Hour && messages.Load() != 1+rounds {
				t.Errorf("%d messages", messages.Load())
			}
			if linger != time.Hour {
				commit()
			}
		})
	}
}

// Who comes alone is not held up for others.
func TestGroupOfOne(t *testing.T) {
	t.Parallel()
	tenant := local.NewTenant(t, nil)
	ps := tenant.OpenPubSub(t)
	g := queue.NewGroup(queue.NewPublisher(ps, topology.TopicEvents, 30*time.Second), time.Hour)
	for range 3 {
		if err := g.Commit(t.Context(), "app", 1, add(1)); err != nil {
			t.Fatal(err)
		}
	}
}

// Projects never share a message.
func TestGroupKeepsProjectsApart(t *testing.T) {
	t.Parallel()
	tenant := local.NewTenant(t, nil)
	ps := tenant.OpenPubSub(t)
	g := queue.NewGroup(queue.NewPublisher(ps, topology.TopicEvents, 30*time.Second), 50*time.Millisecond)
	var wg sync.WaitGroup
	for _, project := range []string{"a", "b", "a", "b"} {
		wg.Go(func() {
			if err := g.Commit(context.Background(), project, 1, add(1)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	got := map[string]int{}
	for got["a"]+got["b"] < 4 {
		for _, m := range tenant.Pull(t, ps, topology.PushSubscription(topology.TopicEvents, "store"), 10) {
			_ = event.Unpack(m.Data, func(*event.Event) error { got[m.Attributes[queue.AttrProject]]++; return nil }, nil)
		}
	}
	if got["a"] != 2 || got["b"] != 2 {
		t.Error(got)
	}
}
