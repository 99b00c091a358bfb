package letters_test

import (
	"testing"
	"time"

	"cloud.google.com/go/firestore"
	"cloud.google.com/go/pubsub/v2"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/letters"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/topology"
)

var subscription = topology.DeadTopic(topology.TopicEvents)

// world is a tenant with two dead letters.
func world(t *testing.T) (*local.Tenant, *pubsub.Client) {
	t.Helper()
	tenant := local.NewTenant(t, nil)
	ps := tenant.OpenPubSub(t)
	for _, data := range []string{"a", "b"} {
		if err := queue.NewPublisher(ps, subscription, time.Minute).Publish(t.Context(), []byte(data), nil); err != nil {
			t.Fatal(err)
		}
	}
	return tenant, ps
}

// take takes the turn if it is nobody's.
func take(t *testing.T, tenant *local.Tenant, ps *pubsub.Client) (turn *letters.Turn, mine bool) {
	t.Helper()
	turn, mine, err := letters.Take(t.Context(), tenant.Default, ps, subscription, func() bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	return turn, mine
}

// all takes until so many letters have been seen, and gives their data.
func all(t *testing.T, turn *letters.Turn, n int) map[string]bool {
	t.Helper()
	seen := map[string]bool{}
	for end := time.Now().Add(2 * time.Minute); len(seen) < n; {
		some, err := turn.Next(t.Context(), time.Second)
		if err != nil || time.Now().After(end) {
			t.Fatal(seen, err)
		}
		for _, m := range some {
			seen[string(m.Message.Data)] = true
		}
	}
	return seen
}

// One has the letters at a time, and gives back what is not removed.
func TestTurn(t *testing.T) {
	t.Parallel()
	tenant, ps := world(t)
	first, mine := take(t, tenant, ps)
	if !mine {
		t.Fatal("nobody's turn cannot be taken")
	}
	all(t, first, 2)
	if _, mine := take(t, tenant, ps); mine {
		t.Fatal("two have the turn")
	}
	first.Close()
	second, mine := take(t, tenant, ps)
	if !mine {
		t.Fatal("a turn has not ended")
	}
	for removed := false; !removed; {
		some, err := second.Next(t.Context(), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range some {
			if string(m.Message.Data) == "a" {
				removed = true
				if err := second.Remove(t.Context(), m); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	second.Close()
	third, _ := take(t, tenant, ps)
	defer third.Close()
	if seen := all(t, third, 1); !seen["b"] {
		t.Error("what was removed has come back")
	}
}

// With each time that letters are taken the turn lasts longer.
func TestTurnRenewed(t *testing.T) {
	t.Parallel()
	tenant, ps := world(t)
	turn, _ := take(t, tenant, ps)
	defer turn.Close()
	wrote := func() time.Time {
		t.Helper()
		if _, err := turn.Next(t.Context(), time.Second); err != nil {
			t.Fatal(err)
		}
		snap, err := letters.Ref(tenant.Default, subscription).Get(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return snap.UpdateTime
	}
	if first := wrote(); !wrote().After(first) {
		t.Error("the turn still ends when it would have before")
	}
}

// A turn that nobody closes, for its worker was killed, lasts until what it took can be
// seen again; then it is anybody's, and no longer whose it was.
func TestTurnKilled(t *testing.T) {
	t.Parallel()
	tenant, ps := world(t)
	killed, _ := take(t, tenant, ps)
	const idle = 7 * time.Second
	if some, err := killed.Next(t.Context(), idle); err != nil || len(some) == 0 {
		t.Fatal(some, err)
	}
	ref := letters.Ref(tenant.Default, subscription)
	snap, err := ref.Get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if lasts, _ := snap.Data()["for"].(int64); time.Duration(lasts) != idle+2*topology.AckDeadline {
		t.Errorf("the turn lasts %v after it was renewed, before something is taken", time.Duration(lasts))
	}
	if _, mine := take(t, tenant, ps); mine {
		t.Fatal("the letters of a killed worker are hidden, and another has the turn")
	}
	if _, err := ref.Update(t.Context(), []firestore.Update{{Path: "for", Value: 0}}); err != nil { // as if it were over
		t.Fatal(err)
	}
	next, mine := take(t, tenant, ps)
	if !mine {
		t.Fatal("a turn does not end by itself")
	}
	defer next.Close()
	if some, err := killed.Next(t.Context(), time.Second); fault.Of(err) != fault.Unavailable {
		t.Errorf("%d letters are taken in another's turn: %v", len(some), err)
	}
	killed.Close()
	if _, mine := take(t, tenant, ps); mine {
		t.Error("a turn was ended by another than its own")
	}
}
