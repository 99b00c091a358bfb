// Package queue is how functions meet in Pub/Sub.
//
//	Group ─ one message for what arrives together ─▶ topic ─ push ─▶ Worker ─▶ work(ctx, Message) error
//	                                                                    ├─ nil ─────────▶ 204: acknowledged
//	                                                                    ├─ permanent ───▶ dead-letter topic with its reason, 204
//	                                                                    └─ anything else ▶ 503: delivered again, with backoff
//
// After topology.MaxDeliveries Pub/Sub itself moves a message to the dead-letter
// topic. Dead letters are put back by scripts/replay.
package queue

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/topology"
	"github.com/lethe-analytics/lethe/shared/web"
)

// Attributes of messages.
const (
	AttrProject = "project"     // the customer's project that a message belongs to
	AttrReason  = "dead_reason" // of a dead letter: why it was parked
	AttrOrigin  = "dead_id"     // of a dead letter: its message id before
)

// maxPush bounds a push request: a message has at most 10 MB
// (https://cloud.google.com/pubsub/quotas#resource_limits), in base64.
const maxPush = 14 << 20

// maxAttribute is the longest value of an attribute, in bytes (same page).
const maxAttribute = 1024

// Message is one delivery.
type Message struct {
	ID         string            `json:"messageId"`
	Data       []byte            `json:"data"`
	Attributes map[string]string `json:"attributes"`
	Published  time.Time         `json:"publishTime"`
	Attempt    int               `json:"-"` // deliveries so far, this one included; 0 if nobody counts them
}

// envelope is the body of a push request:
// https://cloud.google.com/pubsub/docs/push#receive_push.
type envelope struct {
	Message         *Message `json:"message"`
	Subscription    string   `json:"subscription"`
	DeliveryAttempt int      `json:"deliveryAttempt"`
}

// Worker answers the pushes of a subscription. Work must be idempotent: a
// message may come more than once, also after it was acknowledged.
func Worker(dead *Publisher, work func(context.Context, *Message) error) http.Handler {
	return web.Handle(func(w http.ResponseWriter, r *http.Request) error {
		body, err := web.ReadBody(w, r, maxPush)
		if err != nil {
			return err
		}
		var push envelope
		if err := json.Unmarshal(body, &push); err != nil || push.Message == nil {
			return fault.Wrap(fault.Invalid, err, "not a Pub/Sub push")
		}
		push.Message.Attempt = push.DeliveryAttempt
		// Work beyond the acknowledgement deadline would race its own redelivery.
		ctx, cancel := context.WithTimeout(r.Context(), topology.AckDeadline-time.Second)
		defer cancel()
		err = work(ctx, push.Message)
		if err == nil {
			w.WriteHeader(http.StatusNoContent)
			return nil
		}
		if !fault.Permanent(err) {
			slog.WarnContext(ctx, "message will be delivered again", "message", push.Message.ID,
				"attempt", push.DeliveryAttempt, "error", err.Error())
			return fault.Wrap(fault.Unavailable, err, "the work could not be done now")
		}
		if err := park(ctx, dead, push.Message, err); err != nil {
			return err
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	})
}

// park moves a message that can never be worked on to the dead letter.
func park(ctx context.Context, dead *Publisher, m *Message, reason error) error {
	why := reason.Error()
	why = strings.ToValidUTF8(why[:min(len(why), maxAttribute)], "") // Pub/Sub takes nothing else
	attrs := map[string]string{AttrReason: why, AttrOrigin: m.ID}
	for k, v := range m.Attributes {
		attrs[k] = v
	}
	if err := dead.Publish(ctx, m.Data, attrs); err != nil {
		return err
	}
	slog.ErrorContext(ctx, "message parked as dead letter", "message", m.ID, "error", reason.Error())
	return nil
}
