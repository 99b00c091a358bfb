package retention_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/shared/retention"
)

// life is how long an event with a property is kept, in days.
func life(s retention.Settings, r retention.Rule) int {
	days := s.Days
	if days == retention.Unlimited {
		days = retention.MaxDays + 1
	}
	for _, other := range s.Rules {
		if other.Event == r.Event && other.Property == r.Property {
			days = min(days, other.Days)
		}
	}
	return days
}

// TestChange: nothing is shortened before its time, what is lengthened is at once,
// and in the end all is as it was asked for.
func TestChange(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	names := []retention.Rule{{}, {Event: "a"}, {Property: "a"}, {Property: "b"}}
	random := func() (s retention.Settings) {
		if s.Days = 10 + r.IntN(4); r.IntN(4) == 0 {
			s.Days = retention.Unlimited
		}
		for _, n := range names[1:] {
			if r.IntN(2) == 0 {
				n.Days = 1 + r.IntN(4)
				s.Rules = append(s.Rules, n)
			}
		}
		if err := s.Check(); err != nil {
			t.Fatal(err)
		}
		return s
	}
	now := time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)
	for range 2000 {
		from, to := random(), random()
		d := retention.Doc{Days: from.Days, Rules: from.Rules}.Change(to, now, "k")
		shorter := false
		for _, n := range names {
			was, will, is := life(from, n), life(to, n), life(d.Settings(), n)
			shorter = shorter || will < was
			if is < max(was, will) {
				t.Fatalf("seed %d: %+v to %+v is at once %+v", seed, from, to, d)
			}
		}
		if shorter != (d.Pending != nil) {
			t.Fatalf("seed %d: %+v to %+v: pending %+v", seed, from, to, d.Pending)
		}
		if again := d.Change(to, now.Add(time.Hour), "k"); d.Pending != nil && (!again.Pending.EffectiveAt.Equal(now.Add(retention.Wait)) || again.Version != d.Version) {
			t.Fatalf("seed %d: asked again: %+v, before %+v", seed, again, d)
		}
		if before := d.Settled(now.Add(retention.Wait - 1)); !before.Settings().Equal(d.Settings()) {
			t.Fatalf("seed %d: early: %+v", seed, before)
		}
		if after := d.Settled(now.Add(retention.Wait)); !after.Settings().Equal(to) || after.Pending != nil || shorter && after.Version <= d.Version {
			t.Fatalf("seed %d: %+v to %+v: after the wait %+v", seed, from, to, after)
		}
	}
}

// TestCutoff: an event is kept for its days in full.
func TestCutoff(t *testing.T) {
	t.Parallel()
	for day, want := range map[string]string{"2026-07-02T00:00:00Z": "2026-07-01", "2026-07-02T23:59:59Z": "2026-07-01", "2024-03-01T05:00:00Z": "2024-02-29"} {
		at, err := time.Parse(time.RFC3339, day)
		if err != nil {
			t.Fatal(err)
		}
		if got := retention.Cutoff(1, at); got != want {
			t.Errorf("%s: %s, want %s", day, got, want)
		}
	}
	if got := retention.Cutoff(retention.Unlimited, time.Now()); got != "" {
		t.Errorf("unlimited: %s", got)
	}
}
