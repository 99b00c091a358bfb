package request

import (
	"context"
	"net/http"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/web"
)

// maxDecision bounds the body of a confirmation: MaxHints of the longest distinct_ids.
const maxDecision = 256 << 10

// Decisions answers the endpoints by which it is decided whom the requests of a kind
// mean.
type Decisions struct {
	DB         *firestore.Client
	Publishers Publishers // with Callbacks
	Kind       Kind
	Describe   func(context.Context, *access.Call, *Request) (any, error) // makes the answer about a request
}

// Confirm answers POST …/{id}/confirm.
func (d *Decisions) Confirm(ctx context.Context, caller *access.Call, w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if _, err := Get(ctx, d.DB, caller.Project, id, d.Kind); err != nil { // which a body does not matter to
		return err
	}
	var b struct {
		DistinctIDs []string `json:"distinct_ids"`
	}
	if err := web.ReadJSON(w, r, maxDecision, &b); err != nil {
		return err
	}
	switch n := len(b.DistinctIDs); {
	case b.DistinctIDs == nil:
		return fault.InField("distinct_ids", "is required")
	case n > MaxHints:
		return fault.InField("distinct_ids", "names %d persons; a request hints at %d at most", n, MaxHints)
	}
	p, err := project.Get(ctx, d.DB, caller.Project)
	if err != nil {
		return err
	}
	caller.AboutIDs(p.Secret, b.DistinctIDs)
	decided, err := Confirm(ctx, d.DB, p, id, d.Kind, caller.KeyHash, b.DistinctIDs)
	if err != nil {
		return err
	}
	if err := d.Publishers.Publish(ctx, decided); err != nil {
		return err
	}
	return d.write(ctx, caller, w, decided)
}

// Refuse answers POST …/{id}/refuse.
func (d *Decisions) Refuse(ctx context.Context, caller *access.Call, w http.ResponseWriter, r *http.Request) error {
	decided, err := Refuse(ctx, d.DB, caller.Project, r.PathValue("id"), d.Kind, caller.KeyHash)
	if err != nil {
		return err
	}
	if err := d.Publishers.Tell(ctx, d.DB, decided); err != nil {
		return err
	}
	return d.write(ctx, caller, w, decided)
}

func (d *Decisions) write(ctx context.Context, caller *access.Call, w http.ResponseWriter, r *Request) error {
	answer, err := d.Describe(ctx, caller, r)
	if err != nil {
		return err
	}
	web.WriteJSON(w, answer)
	return nil
}

// ShowHints adds to an answer whom the request hints at, while it needs confirmation,
// and notes them on the call: who is told of them has seen that they have the attributes.
func ShowHints(ctx context.Context, db *firestore.Client, caller *access.Call, r *Request, a *Answer) error {
	if r.Status != NeedsConfirmation {
		return nil
	}
	hinted, keys, more, err := readHints(ctx, db, r)
	if err != nil {
		return err
	}
	a.Hinted, a.MoreHinted = hinted, more
	caller.About(keys...)
	return nil
}
