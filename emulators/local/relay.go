package local

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
)

// RelayParallel is how many pushes a Relay has in flight at most.
const RelayParallel = 16

// Relay stands for Pub/Sub's push service, for which the emulator's own is too
// poor: it pulls a subscription and posts each message to a URL in the form in
// which Pub/Sub pushes (https://cloud.google.com/pubsub/docs/push). The emulator
// keeps the retry policy and the dead-letter policy, the relay the ack deadline (hold).
type Relay struct {
	Client       *pubsub.Client
	Subscription string // full name
	URL          string
	Dial         func(ctx context.Context, network, addr string) (net.Conn, error) // to the URL's host; nil: as usual

	http    *http.Client
	pushing sync.WaitGroup
}

// Run relays until the context ends, then waits for the pushes in flight. While
// Pub/Sub or the receiver is down it keeps trying, more and more slowly.
func (r *Relay) Run(ctx context.Context) {
	r.http = &http.Client{Transport: &http.Transport{DialContext: r.Dial, MaxIdleConnsPerHost: RelayParallel}}
	defer r.http.CloseIdleConnections()
	defer r.pushing.Wait()
	var pause backoff
	for r.http.Timeout == 0 {
		sub, err := r.Client.SubscriptionAdminClient.GetSubscription(ctx,
			&pubsubpb.GetSubscriptionRequest{Subscription: r.Subscription})
		if err == nil {
			r.http.Timeout = time.Duration(sub.AckDeadlineSeconds) * time.Second
		} else if !pause.wait(ctx) {
			return
		}
	}
	pause.reset()
	slots := make(chan struct{}, RelayParallel)
	for {
		free := acquire(ctx, slots)
		if free == 0 {
			return
		}
		messages, err := r.pull(ctx, free)
		for range free - len(messages) {
			<-slots
		}
		for _, m := range messages {
			r.pushing.Go(func() {
				defer func() { <-slots }()
				release := r.hold(m)
				err := r.push(m)
				release()
				r.settle(m, err)
			})
		}
		if err == nil {
			pause.reset()
		} else if !pause.wait(ctx) {
			return
		}
	}
}

// acquire waits for one slot and takes what others are free; 0 when the context ends.
func acquire(ctx context.Context, slots chan struct{}) (n int) {
	select {
	case <-ctx.Done():
		return 0
	case slots <- struct{}{}:
	}
	for n = 1; n < cap(slots); n++ {
		select {
		case slots <- struct{}{}:
		default:
			return n
		}
	}
	return n
}

// pull waits for messages, for half a minute at most.
func (r *Relay) pull(ctx context.Context, most int) ([]*pubsubpb.ReceivedMessage, error) {
	wait, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	resp, err := r.Client.SubscriptionAdminClient.Pull(wait, &pubsubpb.PullRequest{
		Subscription: r.Subscription, MaxMessages: int32(most),
	})
	if err != nil {
		if wait.Err() != nil {
			return nil, nil // nothing came, or Run ends
		}
		return nil, err
	}
	return resp.ReceivedMessages, nil
}

// Envelope is the body of a push.
type Envelope struct {
	Message         EnvelopeMessage `json:"message"`
	Subscription    string          `json:"subscription"`
	DeliveryAttempt int32           `json:"deliveryAttempt,omitempty"` // with a dead-letter policy only
}

// EnvelopeMessage is the message of a push.
type EnvelopeMessage struct {
	Data        []byte            `json:"data"` // base64
	Attributes  map[string]string `json:"attributes"`
	MessageID   string            `json:"messageId"`
	PublishTime time.Time         `json:"publishTime"`
	// Pub/Sub sends these two in both spellings.
	MessageIDToo   string    `json:"message_id"`
	PublishTimeToo time.Time `json:"publish_time"`
	OrderingKey    string    `json:"orderingKey,omitempty"`
}

// push posts a message. It does not use Run's context: a push in flight is let
// finish, up to the ack deadline.
func (r *Relay) push(m *pubsubpb.ReceivedMessage) error {
	e := Envelope{
		Message: EnvelopeMessage{
			Data: m.Message.Data, Attributes: m.Message.Attributes, MessageID: m.Message.MessageId,
			PublishTime: m.Message.PublishTime.AsTime(), OrderingKey: m.Message.OrderingKey,
		},
		Subscription:    r.Subscription,
		DeliveryAttempt: m.DeliveryAttempt,
	}
	e.Message.MessageIDToo, e.Message.PublishTimeToo = e.Message.MessageID, e.Message.PublishTime
	if e.Message.Attributes == nil {
		e.Message.Attributes = map[string]string{}
	}
	body, err := json.Marshal(e)
	if err != nil {
		return err
	}
	resp, err := r.http.Post(r.URL, "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	// The answer is read so that the connection can be used again.
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	switch resp.StatusCode {
	case 102, 200, 201, 202, 204: // https://cloud.google.com/pubsub/docs/push#receive_push
		return nil
	}
	return fmt.Errorf("%s answered %s", r.URL, resp.Status)
}

// hold keeps the emulator's own ack deadline from passing while a message is pushed, and
// given back a little late: of messages with a retry policy, those whose deadlines pass
// together at their third delivery would never come again.
func (r *Relay) hold(m *pubsubpb.ReceivedMessage) (release func()) {
	deadline := r.http.Timeout
	extend := time.AfterFunc(deadline/2, func() { r.modify(m, deadline) })
	return func() { extend.Stop() }
}

// settle acknowledges a message, or gives it back to be delivered again. When
// that fails the ack deadline has the same effect.
func (r *Relay) settle(m *pubsubpb.ReceivedMessage, failure error) {
	if failure != nil {
		r.modify(m, 0)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_ = r.Client.SubscriptionAdminClient.Acknowledge(ctx, &pubsubpb.AcknowledgeRequest{Subscription: r.Subscription, AckIds: []string{m.AckId}})
}

// modify lets a message's ack deadline end after so long from now. When that fails it
// ends when it would have.
func (r *Relay) modify(m *pubsubpb.ReceivedMessage, after time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_ = r.Client.SubscriptionAdminClient.ModifyAckDeadline(ctx, &pubsubpb.ModifyAckDeadlineRequest{
		Subscription: r.Subscription, AckIds: []string{m.AckId}, AckDeadlineSeconds: seconds(after),
	})
}
