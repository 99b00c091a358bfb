package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"cloud.google.com/go/firestore"
	"github.com/google/uuid"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/outbound"
	"github.com/lethe-analytics/lethe/shared/queue"
)

// MaxBackoff bounds the time between two attempts. It begins with Config.Backoff and
// trebles.
const MaxBackoff = 4 * time.Hour

// sweepSize is how many deliveries one look takes up; a minute later there is another.
const sweepSize = 1000

// Config is the environment of who sends.
type Config struct {
	// Timeout is how long an endpoint may take, well within the acknowledgement
	// deadline of 60 seconds.
	Timeout time.Duration `env:"LETHE_WEBHOOK_TIMEOUT, default=10s"`
	// Backoff is the time before the second attempt.
	Backoff time.Duration `env:"LETHE_WEBHOOK_BACKOFF, default=5s"`
	// AllowLoopback lets webhooks go to this machine, without TLS too. It is for the
	// local system.
	AllowLoopback bool `env:"LETHE_ALLOW_LOOPBACK_CALLBACKS"`
}

// Validate implements gcp.Load's contract.
func (c *Config) Validate() error {
	return gcp.Positive(map[string]time.Duration{"LETHE_WEBHOOK_TIMEOUT": c.Timeout, "LETHE_WEBHOOK_BACKOFF": c.Backoff})
}

// Sender calls endpoints.
type Sender struct {
	config Config
	db     *firestore.Client
	client *http.Client
}

// NewSender makes a Sender.
func NewSender(c Config, db *firestore.Client) *Sender {
	return &Sender{config: c, db: db, client: outbound.NewClient(c.Timeout, c.AllowLoopback, nil)}
}

// Worker answers the pushes of topology.TopicWebhooks, to which the publisher belongs.
func (s *Sender) Worker(dead, pub *queue.Publisher) http.Handler {
	return queue.Worker(dead, func(ctx context.Context, m *queue.Message) error {
		var t task
		if err := json.Unmarshal(m.Data, &t); err != nil {
			return fault.Wrap(fault.Invalid, err, "not a delivery")
		}
		if t == (task{}) {
			return s.sweep(ctx, pub)
		}
		if t.Project == "" || strings.Contains(t.Project, "/") || !validDelivery(t.Delivery) {
			return fault.New(fault.Invalid, "not a delivery")
		}
		return s.deliver(ctx, t)
	})
}

// sweep publishes what is due again. A delivery that waits for its next attempt is in
// no message: Pub/Sub would deliver that over and over meanwhile, and give it up after
// topology.MaxDeliveries.
func (s *Sender) sweep(ctx context.Context, pub *queue.Publisher) error {
	docs, err := s.db.CollectionGroup(deliveries).Where("next", "<=", now()).OrderBy("next", firestore.Asc).
		Limit(sweepSize).Select("project").Documents(ctx).GetAll()
	if err != nil {
		return fmt.Errorf("find deliveries that are due: %w", err)
	}
	for _, snap := range docs {
		d, err := decodeDelivery(snap)
		if err != nil {
			return err
		}
		if err := publish(ctx, pub, d); err != nil {
			return err
		}
	}
	return nil
}

// deliver makes one attempt, if it is time. It is noted before it is made, so that two
// deliveries of the message do not both make it.
func (s *Sender) deliver(ctx context.Context, t task) error {
	ref := deliveryRef(s.db, t.Project, t.Delivery)
	snap, err := ref.Get(ctx)
	if status.Code(err) == codes.NotFound { // it has expired
		return nil
	}
	if err != nil {
		return fmt.Errorf("read delivery: %w", err)
	}
	d, err := decodeDelivery(snap)
	if err != nil {
		return err
	}
	if d.Status != Pending || d.Next.After(now()) {
		return nil
	}
	to, err := Get(ctx, s.db, d.Project, d.Endpoint)
	switch {
	case fault.Of(err) == fault.NotFound:
		return s.finish(ctx, d, Failed, "the endpoint was deleted")
	case err != nil:
		return err
	case !to.Disabled.IsZero():
		return s.finish(ctx, d, Failed, "the endpoint is disabled")
	case d.Attempts > 0 && now().Sub(d.Created) > TryFor:
		return s.finish(ctx, d, Failed, "given up after 24 hours")
	}
	d.Attempts, d.Last = d.Attempts+1, now()
	_, err = ref.Update(ctx, []firestore.Update{{Path: "attempts", Value: d.Attempts}, {Path: "last", Value: d.Last},
		{Path: "next", Value: d.Last.Add(s.backoff(d.Attempts))}}, firestore.LastUpdateTime(snap.UpdateTime))
	if gcp.Overtaken(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("note an attempt: %w", err)
	}
	return s.attempt(ctx, d, to)
}

// backoff is the time after an attempt.
func (s *Sender) backoff(attempts int) time.Duration {
	wait := s.config.Backoff
	for range attempts - 1 {
		if wait *= 3; wait > MaxBackoff {
			return MaxBackoff
		}
	}
	return wait
}

// attempt calls the endpoint and notes what came of it.
func (s *Sender) attempt(ctx context.Context, d *Delivery, to *Endpoint) error {
	code, err := s.call(ctx, d, to)
	d.Code = code
	switch {
	case err == nil && code >= 200 && code <= 299:
		return s.finish(ctx, d, Delivered, "")
	case code == http.StatusGone:
		if _, err := ref(s.db, d.Project, to.ID).Update(ctx, []firestore.Update{{Path: "disabled", Value: now()}}); err != nil && !gcp.Overtaken(err) {
			return fmt.Errorf("disable endpoint: %w", err)
		}
		return s.finish(ctx, d, Failed, "the endpoint answered 410 and was disabled")
	case d.Type == typeTest:
		return s.finish(ctx, d, Failed, "the test did not get through")
	}
	slog.WarnContext(ctx, "webhook not delivered", "delivery", d.ID, "project", d.Project, "attempt", d.Attempts, "status", code)
	if _, err := deliveryRef(s.db, d.Project, d.ID).Update(ctx, []firestore.Update{{Path: "code", Value: code}}); err != nil && !gcp.Overtaken(err) {
		return fmt.Errorf("note an answer: %w", err)
	}
	return nil
}

// call sends a delivery, signed with each secret of the endpoint that counts.
func (s *Sender) call(ctx context.Context, d *Delivery, to *Endpoint) (code int, err error) {
	secrets := []string{to.Secret}
	if to.OldSecret != "" && now().Before(to.OldUntil) {
		secrets = append(secrets, to.OldSecret)
	}
	at := time.Now()
	signatures := make([]string, len(secrets))
	for i, secret := range secrets {
		w, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			return 0, fmt.Errorf("secret of an endpoint: %w", err)
		}
		if signatures[i], err = w.Sign(d.Event, at, []byte(d.Body)); err != nil {
			return 0, fmt.Errorf("sign: %w", err)
		}
	}
	h := http.Header{}
	h.Set(standardwebhooks.HeaderWebhookID, d.Event)
	h.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(at.Unix(), 10))
	h.Set(standardwebhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	return outbound.Post(ctx, s.client, to.URL, []byte(d.Body), h)
}

// finish notes that a delivery is over.
func (s *Sender) finish(ctx context.Context, d *Delivery, to Status, failure string) error {
	d.Status, d.Failure, d.Finished, d.Next, d.Body = to, failure, now(), time.Time{}, ""
	if _, err := deliveryRef(s.db, d.Project, d.ID).Set(ctx, d); err != nil {
		return fmt.Errorf("finish a delivery: %w", err)
	}
	return nil
}

// Test sends an event of type test to an endpoint at once, and tells what came of it
// and how long the call took. It stands in the log, but is not tried again.
func (s *Sender) Test(ctx context.Context, project, endpoint string) (*Delivery, time.Duration, error) {
	to, err := Get(ctx, s.db, project, endpoint)
	if err != nil {
		return nil, 0, err
	}
	if !to.Disabled.IsZero() {
		return nil, 0, fault.New(fault.Conflict, "the endpoint is disabled: it answered 410; make a new one")
	}
	e := Event{ID: "test-" + uuid.NewString(), Project: project, Type: typeTest, Data: map[string]string{"endpoint": to.ID}}
	body, err := marshal(e)
	if err != nil {
		return nil, 0, err
	}
	d := newDelivery(e, to, body)
	d.Attempts, d.Last, d.Next = 1, d.Created, time.Time{}
	if err := s.attempt(ctx, d, to); err != nil {
		return nil, 0, err
	}
	return d, d.Finished.Sub(d.Last), nil
}
