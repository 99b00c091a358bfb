package local

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
)

func TestRelayDelivers(t *testing.T) {
	t.Parallel()
	NeedPubSub(t)
	project := Project(t)
	client := openPubSub(t, project)
	codes := []int{200, 201, 202, 204}
	to := newReceiver(t, func(e Envelope) int { return codes[int(e.Message.Data[0])%len(codes)] })
	relayTo(t, client, project, to.URL)
	const n = 40
	for i := range n {
		publish(t, client, project, "work", &pubsubpb.PubsubMessage{
			Data: []byte{byte(i), 0xff, '\n'}, Attributes: map[string]string{"k": "v"}, OrderingKey: "o",
		})
	}
	Eventually(t, 20*time.Second, func() error {
		if got := len(to.pushes()); got < n {
			return fmt.Errorf("%d pushes of %d", got, n)
		}
		return nil
	})
	ids := map[string]bool{}
	for _, e := range to.pushes() {
		ids[e.Message.MessageID] = true
		if e.Subscription != SubscriptionName(project, "work-sub") || e.DeliveryAttempt != 1 || e.Message.Attributes["k"] != "v" ||
			e.Message.OrderingKey != "o" || time.Since(e.Message.PublishTime).Abs() > time.Minute || e.Message.MessageIDToo != e.Message.MessageID {
			t.Errorf("push %+v", e)
		}
	}
	// Every answer was taken as an acknowledgement.
	Eventually(t, 10*time.Second, func() error { return empty(t, client, SubscriptionName(project, "work-sub")) })
	if len(ids) != n { // of more than n pushes: Pub/Sub delivers at least once
		t.Errorf("%d messages were pushed, want %d", len(ids), n)
	}
	if raw := to.firstBody(); !strings.HasPrefix(raw, `{"message":{"data":"`) {
		t.Errorf("push body %s", raw)
	}
}

// empty reports whether a subscription holds nothing, leased or not.
func empty(t *testing.T, client *pubsub.Client, subscription string) error {
	n, err := drain(t.Context(), client, subscription, func(*pubsubpb.PubsubMessage) error { return nil })
	if err == nil && n > 0 {
		err = fmt.Errorf("%s held %d messages", subscription, n)
	}
	return err
}

func TestRelayDeliversAgain(t *testing.T) {
	t.Parallel()
	NeedPubSub(t)
	project := Project(t)
	client := openPubSub(t, project)
	to := newReceiver(t, func(e Envelope) int {
		if e.DeliveryAttempt < 3 {
			return 500
		}
		return 204
	})
	relayTo(t, client, project, to.URL)
	publish(t, client, project, "work", &pubsubpb.PubsubMessage{Data: []byte("x")})
	Eventually(t, 20*time.Second, func() error {
		got := to.pushes()
		if len(got) < 3 || got[2].DeliveryAttempt != 3 {
			return fmt.Errorf("pushes %+v, want attempts 1, 2, 3", got)
		}
		return nil
	})
	Eventually(t, 10*time.Second, func() error { return empty(t, client, SubscriptionName(project, "work-sub")) })
}

// TestRelayDeadline leaves deliveries unanswered: each is over at the ack deadline, and
// the next one comes, however often, on a machine so busy that each comes back late.
func TestRelayDeadline(t *testing.T) {
	t.Parallel()
	NeedPubSub(t)
	project := Project(t)
	client := openPubSub(t, project, option.WithGRPCDialOption(grpc.WithUnaryInterceptor(
		func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			if r, ok := req.(*pubsubpb.ModifyAckDeadlineRequest); ok && r.AckDeadlineSeconds == 0 {
				<-time.After(time.Second)
			}
			return invoke(ctx, method, req, reply, cc, opts...)
		})))
	const messages, deliveries = 5, 5 // the last of which is answered
	var mu sync.Mutex
	attempts := map[string][]int32{} // of each message
	to := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var e Envelope
		if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
			t.Errorf("push: %v", err)
		}
		mu.Lock()
		attempts[string(e.Message.Data)] = append(attempts[string(e.Message.Data)], e.DeliveryAttempt)
		mu.Unlock()
		if e.DeliveryAttempt < deliveries {
			_, _ = io.Copy(io.Discard, r.Body) // or the server does not see that the relay gives up
			<-r.Context().Done()
		}
	}))
	t.Cleanup(to.Close)
	dead := relayTo(t, client, project, to.URL)
	published := time.Now()
	for i := range messages {
		publish(t, client, project, "work", &pubsubpb.PubsubMessage{Data: fmt.Append(nil, i)})
	}
	Eventually(t, 2*time.Minute, func() error {
		mu.Lock()
		defer mu.Unlock()
		for i := range messages {
			if got := attempts[fmt.Sprint(i)]; !slices.Equal(got, []int32{1, 2, 3, 4, 5}) {
				return fmt.Errorf("deliveries of message %d after %v: %v", i, time.Since(published), got)
			}
		}
		return nil
	})
	if took := time.Since(published); took < (deliveries-1)*10*time.Second {
		t.Errorf("%d deadlines of 10 s were over in %v", deliveries-1, took)
	}
	Eventually(t, 10*time.Second, func() error { return empty(t, client, SubscriptionName(project, "work-sub")) })
	if err := empty(t, client, dead); err != nil {
		t.Error(err)
	}
}

func TestRelayDeadLetters(t *testing.T) {
	t.Parallel()
	NeedPubSub(t)
	project := Project(t)
	client := openPubSub(t, project)
	to := newReceiver(t, func(e Envelope) int {
		if string(e.Message.Data) == "bad" {
			return 503
		}
		return 200
	})
	dead := relayTo(t, client, project, to.URL)
	publish(t, client, project, "work", &pubsubpb.PubsubMessage{Data: []byte("bad"), Attributes: map[string]string{"project": "p"}},
		&pubsubpb.PubsubMessage{Data: []byte("good")})
	Eventually(t, 30*time.Second, func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		resp, err := client.SubscriptionAdminClient.Pull(ctx, &pubsubpb.PullRequest{Subscription: dead, MaxMessages: 10})
		if err != nil {
			return err
		}
		if m := resp.ReceivedMessages; len(m) != 1 || string(m[0].Message.Data) != "bad" || m[0].Message.Attributes["project"] != "p" {
			return fmt.Errorf("dead letters %+v, want the bad one", m)
		}
		return nil
	})
	attempts := 0
	for _, e := range to.pushes() {
		if string(e.Message.Data) == "bad" {
			attempts++
		}
	}
	if attempts != 5 {
		t.Errorf("%d deliveries before the dead letter, want 5", attempts)
	}
}

// TestRelayOutlivesPubSub shows that a relay goes on when Pub/Sub was away. A
// message that was on the way comes after its ack deadline.
func TestRelayOutlivesPubSub(t *testing.T) {
	t.Parallel()
	p := OwnPubSub(t)
	g, err := newGate(p.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.close)
	project := Project(t)
	connect := func(addr string) *pubsub.Client {
		return openPubSub(t, project, option.WithGRPCConn(Dial(t, addr)))
	}
	direct := connect(p.Host)
	to := newReceiver(t, func(Envelope) int { return 204 })
	sub, _ := createWork(t, direct, project)
	g.shut()
	startRelay(t, &Relay{Client: connect(g.addr()), Subscription: sub, URL: to.URL})
	publish(t, direct, project, "work", &pubsubpb.PubsubMessage{Data: []byte("1")})
	g.open(p.Host)
	wait := func(n int) {
		t.Helper()
		Eventually(t, 30*time.Second, func() error {
			if got := len(to.pushes()); got != n {
				return fmt.Errorf("%d pushes, want %d", got, n)
			}
			return nil
		})
	}
	wait(1)
	g.shut()
	publish(t, direct, project, "work", &pubsubpb.PubsubMessage{Data: []byte("2")})
	g.open(p.Host)
	wait(2)
}
