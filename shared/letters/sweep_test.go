package letters_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/letters"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/topology"
)

// A sweep that fails in the middle of what it has taken leaves nothing out of sight: the
// next one sees all of it, and not only once it would have come back by itself.
func TestSweepFails(t *testing.T) {
	t.Parallel()
	tenant := local.NewTenant(t, nil)
	ps := tenant.OpenPubSub(t)
	s := letters.Sweeper{DB: tenant.Default, PubSub: ps, Subscription: subscription, Parked: queue.NewPublisher(ps, subscription, time.Minute), Idle: time.Second}
	ids := []string{"a", "b", "c", "d", "e"}
	for _, id := range ids {
		data := local.Payload([]event.Event{{Name: "Seen", DistinctID: id, InsertID: id, Received: 1, Properties: "{}"}})
		if err := s.Parked.Publish(t.Context(), data, map[string]string{queue.AttrProject: "app"}); err != nil {
			t.Fatal(err)
		}
	}
	always := func() bool { return true }
	broken := errors.New("broken")
	for seen := 0; seen < 3; { // the third that it looks at
		_, _, err := s.Sweep(t.Context(), func(context.Context, string, []string) (map[string]letters.Law, bool, error) {
			if seen++; seen == 3 {
				return nil, false, broken
			}
			return nil, true, nil
		}, always)
		if seen == 3 && !errors.Is(err, broken) {
			t.Fatal(err)
		}
	}
	failed := time.Now()
	seen := map[string]bool{}
	for len(seen) < len(ids) {
		_, done, err := s.Sweep(t.Context(), func(_ context.Context, _ string, ids []string) (map[string]letters.Law, bool, error) {
			for _, id := range ids {
				seen[id] = true
			}
			return nil, true, nil
		}, always)
		if err != nil || !done || time.Since(failed) > topology.AckDeadline-5*time.Second {
			t.Fatalf("%v after %v: done %v, %v", seen, time.Since(failed), done, err)
		}
	}
}

// While letters that could not be given back are hidden, the turn goes on.
func TestTurnNotGivenBack(t *testing.T) {
	t.Parallel()
	tenant, ps := world(t)
	own, err := gcp.OpenPubSub(context.Background(), tenant.Config)
	if err != nil {
		t.Fatal(err)
	}
	turn, _ := take(t, tenant, own)
	all(t, turn, 2)
	if err := own.Close(); err != nil {
		t.Fatal(err)
	}
	turn.Close()
	if _, mine := take(t, tenant, ps); mine {
		t.Error("the turn has ended, and letters are hidden")
	}
}
