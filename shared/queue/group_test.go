package queue_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/fault"
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

// Who comes while a message is on its way shares the next, which goes when that one has
// arrived.
func TestGroupShares(t *testing.T) {
	t.Parallel()
	tenant := local.NewTenant(t, nil)
	tenant.OpenPubSub(t)
	const n = 20
	var messages, joined atomic.Int32
	held, all := make(chan struct{}), make(chan struct{})
	ps, err := gcp.OpenPubSub(t.Context(), tenant.Config, option.WithGRPCDialOption(grpc.WithUnaryInterceptor(
		func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			if strings.HasSuffix(method, "/Publish") && messages.Add(1) == 1 {
				close(held)
				<-all
			}
			return invoke(ctx, method, req, reply, cc, opts...)
		})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ps.Close() })
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

// silent is a Pub/Sub that takes connections and never answers.
func silent(t *testing.T) *pubsub.Client {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	client, err := pubsub.NewClient(t.Context(), "silent", option.WithGRPCConn(conn))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return client
}

// While Pub/Sub does not answer, callers get a fault at the deadline, and what
// waits for it is bounded.
func TestGroupWhenPubSubIsSilent(t *testing.T) {
	t.Parallel()
	g := queue.NewGroup(queue.NewPublisher(silent(t), topology.TopicEvents, 2*time.Second), time.Millisecond)
	var wg sync.WaitGroup
	var mu sync.Mutex
	refused := 0
	for range 100 {
		wg.Go(func() {
			err := g.Commit(context.Background(), "app", 1, add(900_000))
			var f *fault.Error
			if fault.Of(err) != fault.Unavailable || !errors.As(err, &f) {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if f.Detail == "too much is waiting for the message queue; try again" {
				refused++
			}
		})
	}
	wg.Wait()
	if refused < 20 || refused > 40 { // 64 MiB of 900 kB are 74
		t.Errorf("%d of 100 refused at once", refused)
	}
}
