package local

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/lethe-analytics/lethe/shared/topology"
)

// savedMessage is one line of the file of SaveMessages. Ids, times and delivery
// counts begin anew when it is published again.
type savedMessage struct {
	Topic       string            `json:"topic"`
	Data        []byte            `json:"data"`
	Attributes  map[string]string `json:"attributes,omitempty"`
	OrderingKey string            `json:"orderingKey,omitempty"`
}

// SaveMessages moves what is left in every subscription of the topology, dead
// letters included, to a file that LoadMessages reads. It returns how many
// messages that were. Relays must have ended.
func SaveMessages(ctx context.Context, client *pubsub.Client, googleProject, file string) (n int, err error) {
	next := file + ".next"
	out, err := os.OpenFile(next, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return 0, err
	}
	defer out.Close()
	w := bufio.NewWriter(out)
	enc := json.NewEncoder(w)
	from := map[string]string{} // subscription → topic
	for _, sub := range Subscriptions() {
		from[sub.Name] = sub.Topic
	}
	for _, topic := range topology.Topics() {
		from[topology.DeadTopic(topic)] = topology.DeadTopic(topic)
	}
	for sub, topic := range from {
		took, err := drain(ctx, client, SubscriptionName(googleProject, sub), func(m *pubsubpb.PubsubMessage) error {
			return enc.Encode(savedMessage{topic, m.Data, m.Attributes, m.OrderingKey})
		})
		if err != nil {
			return n, fmt.Errorf("save messages of %s: %w", sub, err)
		}
		n += took
	}
	if err := errors.Join(w.Flush(), out.Close()); err != nil {
		return n, err
	}
	return n, os.Rename(next, file)
}

// drain takes every message out of a subscription.
func drain(ctx context.Context, client *pubsub.Client, subscription string, take func(*pubsubpb.PubsubMessage) error) (n int, err error) {
	admin := client.SubscriptionAdminClient
	// A seek ends leases and backoffs, behind which a pull does not see.
	if _, err := admin.Seek(ctx, &pubsubpb.SeekRequest{
		Subscription: subscription,
		Target:       &pubsubpb.SeekRequest_Time{Time: timestamppb.New(time.Now().Add(-topology.Retention))},
	}); err != nil {
		return 0, err
	}
	for {
		//lint:ignore SA1019 deprecated for its cost in production; here it tells "empty" from "slow"
		resp, err := admin.Pull(ctx, &pubsubpb.PullRequest{Subscription: subscription, MaxMessages: 100, ReturnImmediately: true})
		if err != nil || len(resp.ReceivedMessages) == 0 {
			return n, err
		}
		var ids []string
		for _, m := range resp.ReceivedMessages {
			if err := take(m.Message); err != nil {
				return n, err
			}
			ids = append(ids, m.AckId)
			n++
		}
		if err := admin.Acknowledge(ctx, &pubsubpb.AcknowledgeRequest{Subscription: subscription, AckIds: ids}); err != nil {
			return n, err
		}
	}
}

// LoadMessages publishes what SaveMessages saved. No file is no messages.
func LoadMessages(ctx context.Context, client *pubsub.Client, googleProject, file string) (n int, err error) {
	in, err := os.Open(file)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer in.Close()
	for dec := json.NewDecoder(bufio.NewReader(in)); ; n++ {
		var m savedMessage
		if err := dec.Decode(&m); errors.Is(err, io.EOF) {
			return n, nil
		} else if err != nil {
			return n, fmt.Errorf("%s: %w", file, err)
		}
		if _, err := client.TopicAdminClient.Publish(ctx, &pubsubpb.PublishRequest{
			Topic:    TopicName(googleProject, m.Topic),
			Messages: []*pubsubpb.PubsubMessage{{Data: m.Data, Attributes: m.Attributes, OrderingKey: m.OrderingKey}},
		}); err != nil {
			return n, fmt.Errorf("publish saved message to %s: %w", m.Topic, err)
		}
	}
}
