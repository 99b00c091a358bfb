package request

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"cloud.google.com/go/firestore"
	"cloud.google.com/go/firestore/apiv1/firestorepb"

	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/security"
	"github.com/lethe-analytics/lethe/shared/webhook"
)

// Publishers publishes slices and changes of state.
type Publishers struct {
	Tasks     *queue.Publisher // topic of the kind
	Callbacks *queue.Publisher // TopicCallbacks
	Webhooks  *queue.Publisher // TopicWebhooks; nil: nobody is told by webhook
}

// Publish sends a request's current slice, if it has one left. It may be called
// more than once.
func (p Publishers) Publish(ctx context.Context, r *Request) error {
	if r.Status.Final() || r.Status == NeedsConfirmation {
		return nil
	}
	return publish(ctx, p.Tasks, task{r.Project, r.ID, r.Step})
}

func publish(ctx context.Context, to *queue.Publisher, t task) error {
	data, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("write a task: %w", err)
	}
	return to.Publish(ctx, data, map[string]string{queue.AttrProject: t.Project})
}

// Tell publishes a request's change of state to TopicCallbacks, if its origin wants
// to know and has not been told, and to the project's webhooks its end, and that it needs
// confirmation.
func (p Publishers) Tell(ctx context.Context, db *firestore.Client, r *Request) error {
	if err := p.webhook(ctx, db, r); err != nil {
		return err
	}
	if r.Origin != OpenDSR || r.Told == r.Status {
		return nil
	}
	data, err := json.Marshal(Change{Project: r.Project, Request: r.ID, Status: r.Status, Again: r.Status == Running && !r.Decided.IsZero()})
	if err != nil {
		return fmt.Errorf("write a change of state: %w", err)
	}
	if err := p.Callbacks.Publish(ctx, data, map[string]string{queue.AttrProject: r.Project}); err != nil {
		return err
	}
	r.Told = r.Status
	if _, err := Ref(db, r.Project, r.ID).Update(ctx, []firestore.Update{{Path: "told", Value: r.Told}}); err != nil {
		return fmt.Errorf("note that a change of state was told: %w", err)
	}
	return nil
}

// webhook sends what the project is to know of a request as an event, which is the same
// if it is sent again.
func (p Publishers) webhook(ctx context.Context, db *firestore.Client, r *Request) error {
	types := map[Status]string{Done: webhook.RequestDone, Failed: webhook.RequestFailed, NeedsConfirmation: webhook.RequestNeedsConfirmation}
	if p.Webhooks == nil || types[r.Status] == "" {
		return nil
	}
	_, err := webhook.Send(ctx, db, p.Webhooks, webhook.Event{
		ID: "request-" + r.ID + "-" + string(r.Status), Project: r.Project, Type: types[r.Status],
		Data: map[string]string{"id": r.ID, "kind": string(r.Kind), "status": string(r.Status)},
	})
	return err
}

// Change is the data of a message in TopicCallbacks.
type Change struct {
	Project string `json:"project"`
	Request string `json:"request"`
	Status  Status `json:"status"`
	Again   bool   `json:"again,omitempty"` // it runs, having waited for a confirmation
}

// watch raises what is unusual about a request that was just made. It is looked at
// beside the request, which must not fail for it.
func watch(ctx context.Context, db *firestore.Client, r *Request) {
	who := []slog.Attr{slog.String("project", r.Project), slog.String("request", r.ID), slog.String("key", r.Actor[:min(len(r.Actor), byLength)])}
	switch {
	case r.Kind == Export && r.Persons > security.LargeExport:
		security.Event(ctx, security.ExportLarge, append(who, slog.Int("persons", r.Persons))...)
	case r.Kind == Deletion:
		n, err := Since(ctx, db, r.Project, Deletion, time.Now().Add(-security.BurstWithin))
		if err != nil {
			slog.WarnContext(ctx, "deletions not counted", "project", r.Project, "error", err.Error())
		} else if n > security.BurstOf {
			security.Event(ctx, security.DeletionBurst, append(who, slog.Int64("deletions", n))...)
		}
	}
}

// Since counts a project's requests of a kind that were made since.
func Since(ctx context.Context, db *firestore.Client, project string, kind Kind, since time.Time) (int64, error) {
	q := db.Collection("projects/"+project+"/"+Collection).Where("kind", "==", string(kind)).Where("created", ">", since).
		OrderBy("created", firestore.Desc) // as List is: one index for both
	found, err := q.NewAggregationQuery().WithCount("n").Get(ctx)
	if err != nil {
		return 0, fmt.Errorf("count requests: %w", err)
	}
	n, ok := found["n"].(*firestorepb.Value)
	if !ok {
		return 0, errors.New("count requests: no number")
	}
	return n.GetIntegerValue(), nil
}
