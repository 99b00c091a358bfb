package incident

import (
	"context"
	"net/http"
	"time"

	"github.com/lethe-analytics/lethe/shared/web"
	"github.com/lethe-analytics/lethe/shared/webhook"
)

// maxSmall bounds a small body, in bytes.
const maxSmall = 16 << 10

// Endpoint is an endpoint in an answer. Secret is told once, when it is made.
type Endpoint struct {
	ID         string    `json:"id"`
	URL        string    `json:"url"`
	Events     []string  `json:"events"`
	Secret     string    `json:"secret,omitempty"`
	OldUntil   time.Time `json:"old_secret_until,omitzero"` // until when the secret before signs too
	CreatedAt  time.Time `json:"created_at"`
	DisabledAt time.Time `json:"disabled_at,omitzero"` // it answered 410
}

func newEndpoint(e *webhook.Endpoint) Endpoint {
	a := Endpoint{ID: e.ID, URL: e.URL, Events: e.Events, CreatedAt: e.Created.UTC(), DisabledAt: e.Disabled.UTC()}
	if time.Now().Before(e.OldUntil) {
		a.OldUntil = e.OldUntil.UTC()
	}
	return a
}

// createWebhook answers POST /v1/webhooks.
func (s *server) createWebhook(ctx context.Context, v viewer, w http.ResponseWriter, r *http.Request) error {
	var b struct {
		URL    string   `json:"url"`
		Events []string `json:"events"`
	}
	if err := web.ReadJSON(w, r, maxSmall, &b); err != nil {
		return err
	}
	e, err := webhook.Create(ctx, s.db, v.Project, b.URL, b.Events, s.config.Webhook.AllowLoopback)
	if err != nil {
		return err
	}
	a := newEndpoint(e)
	a.Secret = e.Secret
	created(w, "/v1/webhooks/"+e.ID, a)
	return nil
}

// created answers 201 with where it is.
func created(w http.ResponseWriter, path string, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", path)
	w.WriteHeader(http.StatusCreated)
	web.WriteJSON(w, answer)
}

// listWebhooks answers GET /v1/webhooks.
func (s *server) listWebhooks(ctx context.Context, v viewer, w http.ResponseWriter, _ *http.Request) error {
	all, err := webhook.List(ctx, s.db, v.Project)
	if err != nil {
		return err
	}
	answer := make([]Endpoint, len(all))
	for i, e := range all {
		answer[i] = newEndpoint(e)
	}
	web.WriteJSON(w, map[string]any{"webhooks": answer})
	return nil
}

// deleteWebhook answers DELETE /v1/webhooks/{id}.
func (s *server) deleteWebhook(ctx context.Context, v viewer, w http.ResponseWriter, r *http.Request) error {
	if err := webhook.Delete(ctx, s.db, v.Project, r.PathValue("id")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// rotateWebhook answers POST /v1/webhooks/{id}/rotate.
func (s *server) rotateWebhook(ctx context.Context, v viewer, w http.ResponseWriter, r *http.Request) error {
	e, err := webhook.Rotate(ctx, s.db, v.Project, r.PathValue("id"))
	if err != nil {
		return err
	}
	a := newEndpoint(e)
	a.Secret = e.Secret
	web.WriteJSON(w, a)
	return nil
}

// Delivery is an entry of the log of deliveries in an answer.
type Delivery struct {
	ID         string         `json:"id"`
	Webhook    string         `json:"webhook_id"`
	Type       string         `json:"type"`
	Status     webhook.Status `json:"status"`
	Attempts   int            `json:"attempts"`
	Code       int            `json:"code,omitempty"` // the last answer's status; absent: there was none
	Failure    string         `json:"failure,omitempty"`
	CreatedAt  time.Time      `json:"created_at"`
	LastAt     time.Time      `json:"last_at,omitzero"`
	NextAt     time.Time      `json:"next_at,omitzero"`
	FinishedAt time.Time      `json:"finished_at,omitzero"`
	MS         *int64         `json:"ms,omitempty"` // of a test: how long it took
}

func newDelivery(d *webhook.Delivery) Delivery {
	return Delivery{ID: d.ID, Webhook: d.Endpoint, Type: d.Type, Status: d.Status, Attempts: d.Attempts, Code: d.Code, Failure: d.Failure,
		CreatedAt: d.Created.UTC(), LastAt: d.Last.UTC(), NextAt: d.Next.UTC(), FinishedAt: d.Finished.UTC()}
}

// testWebhook answers POST /v1/webhooks/test.
func (s *server) testWebhook(ctx context.Context, v viewer, w http.ResponseWriter, r *http.Request) error {
	var b struct {
		ID string `json:"id"`
	}
	if err := web.ReadJSON(w, r, maxSmall, &b); err != nil {
		return err
	}
	d, took, err := s.sender.Test(ctx, v.Project, b.ID)
	if err != nil {
		return err
	}
	a, ms := newDelivery(d), took.Milliseconds()
	a.MS = &ms
	web.WriteJSON(w, a)
	return nil
}

// listDeliveries answers GET /v1/webhooks/deliveries.
func (s *server) listDeliveries(ctx context.Context, v viewer, w http.ResponseWriter, r *http.Request) error {
	q := web.ParseQuery(r)
	cursor, _ := q.One("cursor")
	if err := q.Err(); err != nil {
		return err
	}
	page, next, err := webhook.Log(ctx, s.db, v.Project, cursor)
	if err != nil {
		return err
	}
	answer := make([]Delivery, len(page))
	for i, d := range page {
		answer[i] = newDelivery(d)
	}
	web.WriteJSON(w, struct {
		Deliveries []Delivery `json:"deliveries"`
		Next       string     `json:"next_cursor,omitempty"`
	}{answer, next})
	return nil
}
