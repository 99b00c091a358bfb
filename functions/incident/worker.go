package incident

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"cloud.google.com/go/firestore"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/security"
	"github.com/lethe-analytics/lethe/shared/topology"
	"github.com/lethe-analytics/lethe/shared/webhook"
)

// sweepSize is how many notices one look takes up; an hour later there is another.
const sweepSize = 1000

// lease is how long a worker has a notice: longer than the work on a message can last.
const lease = topology.AckDeadline

// NewWorker makes the handler that sends notices. The publishers are of
// topology.TopicIncidents, TopicWebhooks and the dead letters of the first.
func NewWorker(c Config, db *firestore.Client, mailer *Mailer, pub, webhooks, dead *queue.Publisher) http.Handler {
	w := &worker{config: c, db: db, mailer: mailer, pub: pub, webhooks: webhooks}
	return queue.Worker(dead, w.message)
}

type worker struct {
	config        Config
	db            *firestore.Client
	mailer        *Mailer
	pub, webhooks *queue.Publisher
}

func (w *worker) message(ctx context.Context, m *queue.Message) error {
	var t task
	if err := json.Unmarshal(m.Data, &t); err != nil {
		return fault.Wrap(fault.Invalid, err, "not a notice")
	}
	if t == (task{}) {
		return w.sweep(ctx)
	}
	if !t.valid() {
		return fault.New(fault.Invalid, "not a notice")
	}
	err := w.notify(ctx, t)
	if err != nil && m.Attempt >= topology.MaxDeliveries/2 { // it stays due: the look of every hour finds it
		slog.WarnContext(ctx, "notice put off", "incident", t.Incident, "project", t.Project, "error", err.Error())
		return nil
	}
	return err
}

// sweep publishes the notices that are due.
func (w *worker) sweep(ctx context.Context) error {
	docs, err := w.db.CollectionGroup(NoticesCollection).Where("due", "<=", now()).OrderBy("due", firestore.Asc).
		Limit(sweepSize).Documents(ctx).GetAll()
	if err != nil {
		return fmt.Errorf("find notices that are due: %w", err)
	}
	for _, d := range docs {
		n, err := decodeNotice(d)
		if err != nil {
			return err
		}
		if err := publish(ctx, w.pub, task{n.Incident, n.Project}); err != nil {
			return err
		}
	}
	return nil
}

// notify tells one customer, if it is time.
func (w *worker) notify(ctx context.Context, t task) error {
	i, err := get(ctx, w.db, t.Incident)
	if err != nil {
		return err
	}
	ref := NoticeRef(w.db, t.Incident, t.Project)
	snap, err := ref.Get(ctx)
	if status.Code(err) == codes.NotFound {
		return fault.Wrap(fault.NotFound, err, "there is no such notice")
	}
	if err != nil {
		return fmt.Errorf("read notice: %w", err)
	}
	n, err := decodeNotice(snap)
	if err != nil {
		return err
	}
	switch {
	case n.Due.IsZero() || n.Due.After(now()):
		return nil
	case n.Lease.After(now()):
		return fault.New(fault.Unavailable, "another worker has the notice")
	}
	_, err = ref.Update(ctx, []firestore.Update{{Path: "lease", Value: now().Add(lease)}}, firestore.LastUpdateTime(snap.UpdateTime))
	if gcp.Overtaken(err) {
		return fault.Wrap(fault.Unavailable, err, "the notice has changed meanwhile")
	}
	if err != nil {
		return fmt.Errorf("lease a notice: %w", err)
	}
	return w.work(ctx, ref, i, n)
}

// work does what is due of a notice: to tell the customer, to tell our own, or both.
func (w *worker) work(ctx context.Context, ref *firestore.DocumentRef, i *Incident, n *Notice) error {
	t := now()
	var sent bool
	var failed, unheard error
	if !n.tellAt(i).After(t) {
		sent, failed = w.send(ctx, i, n)
	}
	unreached := failed == nil && !sent && !n.tellAt(i).After(t)
	if unreached && n.Escalated.IsZero() && n.Acknowledged.IsZero() || !n.escalateAt().After(t) {
		if unheard = w.escalate(ctx, i, n, unreached); unheard == nil {
			n.Escalated = t
		}
	}
	err := w.db.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		return finish(tx, Ref(w.db, i.ID), ref, func(stored *Notice) {
			stored.Escalated = n.Escalated
			if sent {
				stored.Version, stored.Sent, stored.Last = i.Version, n.Sent+1, t
			}
			if unreached {
				stored.Unreached = t
			}
		})
	})
	if err != nil {
		return fmt.Errorf("finish a notice: %w", err)
	}
	return errors.Join(failed, unheard)
}

// send tells the customer by webhook and by e-mail. Sent is false where it has given
// neither.
func (w *worker) send(ctx context.Context, i *Incident, n *Notice) (sent bool, err error) {
	p, err := project.Get(ctx, w.db, n.Project)
	if fault.Of(err) == fault.NotFound { // deleted since
		return false, nil
	}
	if err != nil {
		return false, err
	}
	occasion := i.occasion(n)
	// The version is part of the id: where mails fail for long, an update must not be
	// taken for the event before it, which the webhooks have already.
	count, err := webhook.Send(ctx, w.db, w.webhooks, webhook.Event{
		ID: fmt.Sprintf("incident-%s-%d-%d", i.ID, i.Version, n.Sent+1), Project: n.Project, Type: occasion, Data: newEvent(i)})
	if err != nil {
		return false, err
	}
	if len(p.Contacts) > 0 {
		err := w.mailer.Send(ctx, p.Contacts, subject(i, occasion), letter(i, p, w.config.PublicURL, w.config.Mail.Security))
		// Who has acknowledged, and hears by webhook, is not written to for ever in vain.
		givenUp := count > 0 && !n.Acknowledged.IsZero() && now().Sub(i.changed()) > EscalateAfter
		switch {
		case err != nil && !givenUp:
			return false, err
		case err != nil:
			slog.WarnContext(ctx, "a mail about an incident is given up", "incident", i.ID, "project", n.Project, "error", err.Error())
		}
	}
	return count+len(p.Contacts) > 0, nil
}

// occasion is why a customer is told: the type of the event.
func (i *Incident) occasion(n *Notice) string {
	switch {
	case n.Version == 0:
		return webhook.IncidentOpened
	case n.Version == i.Version:
		return webhook.IncidentReminder
	case !i.Closed.IsZero():
		return webhook.IncidentClosed
	}
	return webhook.IncidentUpdated
}

// escalate tells the processor's own of a customer that has not acknowledged for too
// long, or that there was no way to tell.
func (w *worker) escalate(ctx context.Context, i *Incident, n *Notice, unreached bool) error {
	reason := "it has not acknowledged for 24 hours"
	if unreached {
		reason = "it has neither contacts nor a webhook for incidents"
	}
	security.Event(ctx, security.IncidentOverdue, slog.String("incident", i.ID), slog.String("project", n.Project), slog.String("reason", reason))
	text := fmt.Sprintf("Project %s is affected by the incident %q (%s), but %s. Reach it in another way.\n\nNoticed: %s\nThe 72 hours end: %s\n",
		n.Project, i.Title, i.ID, reason, stamp(i.Noticed), stamp(i.Noticed.Add(AuthorityWithin)))
	return w.mailer.Send(ctx, []string{w.config.Mail.Security}, "Incident not acknowledged by "+n.Project, text)
}
