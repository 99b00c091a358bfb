package local

import (
	"fmt"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"

	"github.com/lethe-analytics/lethe/shared/topology"
)

func TestSetupTwice(t *testing.T) {
	t.Parallel()
	NeedPubSub(t)
	project := Project(t)
	client := openPubSub(t, project)
	for range 2 {
		if err := Setup(t.Context(), client, project); err != nil {
			t.Fatal(err)
		}
	}
	sub, err := client.SubscriptionAdminClient.GetSubscription(t.Context(), &pubsubpb.GetSubscriptionRequest{
		Subscription: SubscriptionName(project, "events-store"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if sub.AckDeadlineSeconds != 60 || sub.DeadLetterPolicy.GetMaxDeliveryAttempts() != topology.MaxDeliveries ||
		sub.DeadLetterPolicy.GetDeadLetterTopic() != TopicName(project, "events-dead") ||
		sub.RetryPolicy.GetMinimumBackoff().AsDuration() != topology.MinBackoff || sub.PushConfig.GetPushEndpoint() != "" {
		t.Errorf("subscription %v", sub)
	}
}

func TestMessagesAreKept(t *testing.T) {
	t.Parallel()
	NeedPubSub(t)
	project, file := Project(t), t.TempDir()+"/messages"
	client := openPubSub(t, project)
	if err := Setup(t.Context(), client, project); err != nil {
		t.Fatal(err)
	}
	if n, err := LoadMessages(t.Context(), client, project, file); n != 0 || err != nil {
		t.Fatalf("without a file: %d, %v", n, err)
	}
	message := func(s string) *pubsubpb.PubsubMessage {
		return &pubsubpb.PubsubMessage{Data: []byte(s), Attributes: map[string]string{"a": s}, OrderingKey: "o"}
	}
	publish(t, client, project, topology.TopicEvents, message("done"), message("leased"), message("refused"))
	publish(t, client, project, topology.DeadTopic(topology.TopicEvents), message("dead"))
	work := SubscriptionName(project, "events-store")
	taken := 0
	Eventually(t, 10*time.Second, func() error {
		resp, err := client.SubscriptionAdminClient.Pull(t.Context(), &pubsubpb.PullRequest{Subscription: work, MaxMessages: 10})
		if err != nil {
			return err
		}
		for _, m := range resp.ReceivedMessages {
			taken++
			switch string(m.Message.Data) {
			case "done":
				err = client.SubscriptionAdminClient.Acknowledge(t.Context(), &pubsubpb.AcknowledgeRequest{Subscription: work, AckIds: []string{m.AckId}})
			case "refused":
				err = client.SubscriptionAdminClient.ModifyAckDeadline(t.Context(), &pubsubpb.ModifyAckDeadlineRequest{Subscription: work, AckIds: []string{m.AckId}})
			}
			if err != nil {
				return err
			}
		}
		if taken < 3 {
			return fmt.Errorf("pulled %d messages of 3", taken)
		}
		return nil
	})
	if n, err := SaveMessages(t.Context(), client, project, file); n != 3 || err != nil {
		t.Fatalf("saved %d, %v; want leased, refused and dead", n, err)
	}
	if n, err := LoadMessages(t.Context(), client, project, file); n != 3 || err != nil {
		t.Fatalf("loaded %d, %v; want 3", n, err)
	}
	got := map[string]string{}
	for sub, name := range map[string]string{work: "work", SubscriptionName(project, "events-dead"): "dead"} {
		if _, err := drain(t.Context(), client, sub, func(m *pubsubpb.PubsubMessage) error {
			got[string(m.Data)+m.Attributes["a"]+m.OrderingKey] = name
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if want := "map[deaddeado:dead leasedleasedo:work refusedrefusedo:work]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
}
