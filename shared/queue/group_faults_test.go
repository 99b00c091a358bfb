package queue_test

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/topology"
)

// A panic of who sends is told to who shares the message, and does not hold up the next.
func TestGroupPanics(t *testing.T) {
	t.Parallel()
	tenant := local.NewTenant(t, nil)
	tenant.OpenPubSub(t, topology.TopicEvents)
	held, shared := make(chan struct{}), make(chan struct{})
	ps := intercepted(t, tenant, func(message int) error {
		switch message {
		case 1:
			close(held)
			<-shared
		case 2:
			panic("a defect")
		}
		return nil
	})
	g := queue.NewGroup(queue.NewPublisher(ps, topology.TopicEvents, 30*time.Second), time.Hour)
	commit := func(joined func()) (err error) {
		defer func() {
			if recover() != nil {
				err = errors.New("panic")
			}
		}()
		return g.Commit(t.Context(), "app", 1, func(payload []byte, i int) []byte {
			joined()
			return add(1)(payload, i)
		})
	}
	first := make(chan error)
	go func() { first <- commit(func() {}) }()
	<-held
	second := make(chan error)
	var joined atomic.Int32
	for range 2 {
		go func() {
			second <- commit(func() {
				if joined.Add(1) == 2 {
					close(shared)
				}
			})
		}()
	}
	if err := <-first; err != nil {
		t.Error(err)
	}
	go func() { second <- commit(func() {}) }() // the first comes again
	panics, told := 0, 0
	for range 3 {
		switch err := <-second; {
		case err != nil && err.Error() == "panic":
			panics++
		case fault.Of(err) == fault.Unavailable:
			told++
		}
	}
	if panics != 1 || told != 2 {
		t.Errorf("%d panics, %d told of it", panics, told)
	}
	for range 3 {
		go func() { second <- commit(func() {}) }()
	}
	for range 3 {
		if err := <-second; err != nil {
			t.Errorf("the next: %v", err)
		}
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

// While Pub/Sub does not answer, callers get a fault at the deadline.
func TestGroupWhenPubSubIsSilent(t *testing.T) {
	t.Parallel()
	g := queue.NewGroup(queue.NewPublisher(silent(t), topology.TopicEvents, time.Second), time.Millisecond)
	if err := g.Commit(t.Context(), "app", 1, add(1)); fault.Of(err) != fault.Unavailable {
		t.Error(err)
	}
}

// What waits for Pub/Sub is bounded: who brings more is refused at once.
func TestGroupIsBounded(t *testing.T) {
	t.Parallel()
	tenant := local.NewTenant(t, nil)
	tenant.OpenPubSub(t, topology.TopicEvents)
	all := make(chan struct{})
	ps := intercepted(t, tenant, func(int) error {
		<-all
		return status.Error(codes.PermissionDenied, "a test")
	})
	g := queue.NewGroup(queue.NewPublisher(ps, topology.TopicEvents, time.Hour), time.Millisecond)
	const n = 100
	var came, refused atomic.Int32
	arrive := func() {
		if came.Add(1) == n {
			close(all)
		}
	}
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			err := g.Commit(t.Context(), "app", 1, func(payload []byte, i int) []byte {
				defer arrive()
				return add(900_000)(payload, i)
			})
			var f *fault.Error
			if fault.Of(err) != fault.Unavailable || !errors.As(err, &f) {
				t.Error(err)
				return
			}
			if f.Detail == "too much is waiting for the message queue; try again" {
				refused.Add(1)
				arrive()
			}
		})
	}
	wg.Wait()
	if n := refused.Load(); n < 20 || n > 40 { // 64 MiB of 900 kB are 74
		t.Errorf("%d of 100 refused at once", n)
	}
}
