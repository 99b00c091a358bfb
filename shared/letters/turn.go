// Package letters takes dead letters out of their subscription, and takes out of
// them what was to be forgotten.
//
// Whoever has taken letters hides them from everybody else, and who does not see
// them would say of a person that nothing is left. So all go by turns:
//
//	Take ─▶ Turn, in sweeps/{subscription} ─Next─▶ letters ─┬─ Remove ─▶ they are gone
//	                                                        └─ Close ──▶ given back; the turn is somebody else's
//
// A turn that nobody closes lasts until all that was taken in it has come back by
// itself.
package letters

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"cloud.google.com/go/firestore"
	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/topology"
)

// turnPause is between two looks at whether another's turn has ended.
const turnPause = 300 * time.Millisecond

// page is how many letters are taken at once.
const page = 100

// Turn is the right to take letters out of one subscription, of which nobody else has
// one meanwhile.
type Turn struct {
	client       *pubsub.Client
	subscription string // full name
	ref          *firestore.DocumentRef
	wrote        time.Time       // when ref was
	taken        map[string]bool // what has not been removed, by its id to acknowledge
}

// lasts is the document of a turn: for how long it lasts after it was written. Both
// ends are told by Firestore's clock, since who puts letters back may have any.
type lasts struct {
	For time.Duration `firestore:"for"`
}

// Ref is the document of the turns at a subscription.
func Ref(db *firestore.Client, subscription string) *firestore.DocumentRef {
	return db.Doc("sweeps/" + subscription)
}

// Take waits for a turn at a subscription, for as long as more says that there is
// time; mine is false if there was not enough.
func Take(ctx context.Context, db *firestore.Client, client *pubsub.Client, subscription string, more func() bool) (t *Turn, mine bool, err error) {
	t = &Turn{client: client, subscription: "projects/" + client.Project() + "/subscriptions/" + subscription, ref: Ref(db, subscription), taken: map[string]bool{}}
	for {
		if mine, err = t.begin(ctx); err != nil || mine {
			return t, mine, err
		}
		if !more() {
			return nil, false, nil
		}
		select {
		case <-time.After(turnPause):
		case <-ctx.Done():
			return nil, false, ctx.Err()
		}
	}
}

// begin takes the turn if it is nobody's.
func (t *Turn) begin(ctx context.Context) (mine bool, err error) {
	var done *firestore.WriteResult
	snap, err := t.ref.Get(ctx)
	if status.Code(err) == codes.NotFound {
		done, err = t.ref.Create(ctx, lasting(0))
	} else if err == nil {
		var now lasts
		if err := snap.DataTo(&now); err != nil {
			return false, fmt.Errorf("decode a turn at the dead letters: %w", err)
		}
		if snap.UpdateTime.Add(now.For).After(snap.ReadTime) {
			return false, nil
		}
		done, err = t.ref.Update(ctx, lasting(0).updates(), firestore.LastUpdateTime(snap.UpdateTime))
	}
	if gcp.Overtaken(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("take a turn at the dead letters: %w", err)
	}
	t.wrote = done.UpdateTime
	return true, nil
}

// lasting is a turn in which letters are taken for so long, of which the last is
// hidden for an acknowledgement deadline. Another one is for what comes in between.
func lasting(idle time.Duration) lasts { return lasts{idle + 2*topology.AckDeadline} }

// updates has something that is new each time: a write that changes nothing would leave
// the document at the time of the one before, and the turn would not last any longer.
func (l lasts) updates() []firestore.Update {
	return []firestore.Update{{Path: "for", Value: l.For}, {Path: "at", Value: firestore.ServerTimestamp}}
}

// Next takes some letters; none, if none comes for so long. What was taken more than
// an acknowledgement deadline ago and was not removed may come again.
func (t *Turn) Next(ctx context.Context, idle time.Duration) ([]*pubsubpb.ReceivedMessage, error) {
	if err := t.renew(ctx, idle); err != nil {
		return nil, err
	}
	waiting, cancel := context.WithTimeout(ctx, idle)
	defer cancel()
	got, err := t.client.SubscriptionAdminClient.Pull(waiting, &pubsubpb.PullRequest{Subscription: t.subscription, MaxMessages: page})
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case status.Code(err) == codes.DeadlineExceeded || waiting.Err() != nil:
		return nil, nil
	default:
		return nil, fmt.Errorf("take dead letters: %w", err)
	}
	for _, m := range got.ReceivedMessages {
		t.taken[m.AckId] = true
	}
	return got.ReceivedMessages, nil
}

// renew has the turn last for as long as what is taken next is hidden.
func (t *Turn) renew(ctx context.Context, idle time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, topology.AckDeadline) // of what the turn lasts longer
	defer cancel()
	done, err := t.ref.Update(ctx, lasting(idle).updates(), firestore.LastUpdateTime(t.wrote))
	if gcp.Overtaken(err) {
		return fault.Wrap(fault.Unavailable, err, "the turn at the dead letters is somebody else's")
	}
	if err != nil {
		return fmt.Errorf("go on with a turn at the dead letters: %w", err)
	}
	t.wrote = done.UpdateTime
	return nil
}

// Remove removes a letter that was taken, for good.
func (t *Turn) Remove(ctx context.Context, m *pubsubpb.ReceivedMessage) error {
	err := t.client.SubscriptionAdminClient.Acknowledge(ctx, &pubsubpb.AcknowledgeRequest{Subscription: t.subscription, AckIds: []string{m.AckId}})
	if err != nil {
		return fmt.Errorf("remove a dead letter: %w", err)
	}
	delete(t.taken, m.AckId)
	return nil
}

// Close gives back what was taken and not removed, and ends the turn. If that fails,
// both end by themselves, the turn last.
func (t *Turn) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for some := range slices.Chunk(slices.Collect(maps.Keys(t.taken)), 500) {
		err := t.client.SubscriptionAdminClient.ModifyAckDeadline(ctx, &pubsubpb.ModifyAckDeadlineRequest{Subscription: t.subscription, AckIds: some})
		if err != nil {
			slog.WarnContext(ctx, "dead letters come back late", "count", len(t.taken), "error", err.Error())
			return
		}
	}
	if _, err := t.ref.Delete(ctx, firestore.LastUpdateTime(t.wrote)); err != nil {
		slog.WarnContext(ctx, "a turn at the dead letters ends late", "error", err.Error())
	}
}
