package local

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/api/option"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/lethe-analytics/lethe/shared/topology"
)

func openPubSub(t *testing.T, project string, opts ...option.ClientOption) *pubsub.Client {
	t.Helper()
	client, err := pubsub.NewClient(t.Context(), project, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// receiver is a function that a relay pushes to.
type receiver struct {
	*httptest.Server

	mu     sync.Mutex
	answer func(Envelope) int
	got    []Envelope
	raw    []string
}

func newReceiver(t *testing.T, answer func(Envelope) int) *receiver {
	t.Helper()
	r := &receiver{answer: answer}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		var e Envelope
		if err == nil {
			err = json.Unmarshal(body, &e)
		}
		if err != nil {
			t.Errorf("push: %v", err)
		}
		r.mu.Lock()
		r.got, r.raw = append(r.got, e), append(r.raw, string(body))
		r.mu.Unlock()
		w.WriteHeader(r.answer(e))
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) pushes() []Envelope {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Envelope(nil), r.got...)
}

// firstBody is that of the first push, as it came.
func (r *receiver) firstBody() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.raw[0]
}

// relayTo sets a topic with a dead-letter topic up, relays to a URL and returns
// the subscription of the dead letters.
func relayTo(t *testing.T, client *pubsub.Client, project, url string) (dead string) {
	t.Helper()
	work, dead := createWork(t, client, project)
	startRelay(t, &Relay{Client: client, Subscription: work, URL: url})
	return dead
}

// createWork makes a topic with a dead-letter topic, and a subscription of each.
func createWork(t *testing.T, client *pubsub.Client, project string) (work, dead string) {
	t.Helper()
	for _, topic := range []string{"work", "work-dead"} {
		if _, err := client.TopicAdminClient.CreateTopic(t.Context(), &pubsubpb.Topic{Name: TopicName(project, topic)}); err != nil {
			t.Fatal(err)
		}
	}
	dead = SubscriptionName(project, "work-dead")
	if err := createSubscription(t.Context(), client, &pubsubpb.Subscription{Name: dead, Topic: TopicName(project, "work-dead")}); err != nil {
		t.Fatal(err)
	}
	sub := &pubsubpb.Subscription{
		Name: SubscriptionName(project, "work-sub"), Topic: TopicName(project, "work"), AckDeadlineSeconds: 10,
		RetryPolicy: &pubsubpb.RetryPolicy{MinimumBackoff: durationpb.New(topology.MinBackoff), MaximumBackoff: durationpb.New(topology.MaxBackoff)},
		DeadLetterPolicy: &pubsubpb.DeadLetterPolicy{
			DeadLetterTopic: TopicName(project, "work-dead"), MaxDeliveryAttempts: 5,
		},
	}
	if err := createSubscription(t.Context(), client, sub); err != nil {
		t.Fatal(err)
	}
	return sub.Name, dead
}

func startRelay(t *testing.T, r *Relay) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		r.Run(ctx)
		close(done)
	}()
	t.Cleanup(func() { cancel(); <-done })
}

func publish(t *testing.T, client *pubsub.Client, project, topic string, messages ...*pubsubpb.PubsubMessage) {
	t.Helper()
	if _, err := client.TopicAdminClient.Publish(t.Context(), &pubsubpb.PublishRequest{
		Topic: TopicName(project, topic), Messages: messages,
	}); err != nil {
		t.Fatal(err)
	}
}
