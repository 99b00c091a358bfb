package queue

import (
	"context"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"

	"github.com/lethe-analytics/lethe/shared/fault"
)

// Publisher publishes to one topic, one message at a time, and knows of each
// whether it was stored. It calls the API without the client library's own
// batching: what belongs together is put together before, by Group.
type Publisher struct {
	client  *pubsub.Client
	topic   string // full name
	timeout time.Duration
}

// NewPublisher makes a publisher that gives up on a message after the timeout.
func NewPublisher(client *pubsub.Client, topic string, timeout time.Duration) *Publisher {
	return &Publisher{client: client, topic: "projects/" + client.Project() + "/topics/" + topic, timeout: timeout}
}

// Publish returns once Pub/Sub has stored the message; any error is an
// Unavailable fault, and the message may or may not be stored. What passes is
// retried by the client library until the timeout.
func (p *Publisher) Publish(ctx context.Context, data []byte, attributes map[string]string) error {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	_, err := p.client.TopicAdminClient.Publish(ctx, &pubsubpb.PublishRequest{
		Topic: p.topic, Messages: []*pubsubpb.PubsubMessage{{Data: data, Attributes: attributes}},
	})
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "the message queue did not take the data in time; nothing is promised, send it again")
	}
	return nil
}
