package queue

import (
	"context"
	"time"

	"cloud.google.com/go/pubsub/v2"

	"github.com/lethe-analytics/lethe/shared/fault"
)

// Publisher publishes to one topic, one message at a time, and knows of each
// whether it was stored. What belongs together is put together before, by Group.
type Publisher struct {
	topic   *pubsub.Publisher
	timeout time.Duration
}

// NewPublisher makes a publisher that gives up on a message after the timeout.
func NewPublisher(client *pubsub.Client, topic string, timeout time.Duration) *Publisher {
	p := client.Publisher(topic)
	p.PublishSettings.CountThreshold = 1
	p.PublishSettings.Timeout = timeout
	return &Publisher{topic: p, timeout: timeout}
}

// Publish returns once Pub/Sub has stored the message; any error is an
// Unavailable fault, and the message may or may not be stored.
func (p *Publisher) Publish(ctx context.Context, data []byte, attributes map[string]string) error {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	if _, err := p.topic.Publish(ctx, &pubsub.Message{Data: data, Attributes: attributes}).Get(ctx); err != nil {
		return fault.Wrap(fault.Unavailable, err, "the message queue did not take the data in time; nothing is promised, send it again")
	}
	return nil
}
