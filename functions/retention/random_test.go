package retention_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/functions/retention"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/project"
	rules "github.com/lethe-analytics/lethe/shared/retention"
)

// naive is what is left of events on a day, by the plainest reading of the rules.
func naive(all []event.Event, today time.Time, days int, rs []rules.Rule) (left map[string]event.Event, events, changed int) {
	left = map[string]event.Event{}
	for _, e := range all {
		midnight := func(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }
		age := int(midnight(today).Sub(midnight(e.Time.Time())) / (24 * time.Hour))
		if e.DistinctID == "held" {
			left[e.InsertID] = e
			continue
		}
		gone := age > days
		props := e.Properties
		for _, r := range rs {
			if age > r.Days && r.Event == e.Name {
				gone = true
			}
			if age > r.Days && r.Property != "" {
				props = strings.ReplaceAll(props, fmt.Sprintf(`,%q:1`, r.Property), "")
			}
		}
		switch {
		case gone:
			events++
			continue
		case props != e.Properties:
			changed++
			e.Properties = props
		}
		left[e.InsertID] = e
	}
	return left, events, changed
}

// TestRandom purges random events with a worker that is killed again and again, on
// some days, and compares what is left with a naive model: byte by byte, and what no
// rule reaches is not even written.
func TestRandom(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	w := newWorld(t, 30*time.Millisecond, func(p *project.Project) { p.RetentionDays = 20 })
	rs := []rules.Rule{{Event: "Noise", Days: 3 + r.IntN(5)}, {Property: "$email", Days: 10}, {Property: "$ip", Days: 10}, {Property: "q\".x", Days: 1 + r.IntN(15)}}
	w.settings(map[string]any{"retention_rules": rs})
	w.call("PUT", "/v1/retention/holds/held", `{"reason":"a case"}`, 200, nil)
	people := []string{"ann", "bob", "cleo", "dan", "held", ""}
	var all []event.Event
	for range 400 {
		props := fmt.Sprintf(`{"n":%d`, r.IntN(10))
		for _, p := range []string{`"$email"`, `"$ip"`, `"q\".x"`} {
			if r.IntN(3) == 0 {
				props += "," + p + ":1"
			}
		}
		e := ev(people[r.IntN(len(people))], []string{"Seen", "Noise"}[r.IntN(2)], r.IntN(30), props+"}")
		e.Time += event.Millis(r.IntN(20)-10) * 3_600_000
		e.Amended = int64(r.IntN(2)) * 12345
		all = append(all, e)
	}
	for from := 0; from < len(all); {
		to := min(len(all), from+1+r.IntN(60))
		w.Deliver(t, w.store, all[from:to])
		from = to
	}
	for day := range 3 {
		now := start.AddDate(0, 0, day*(1+r.IntN(3)))
		if !now.After(*w.now.Load()) && day > 0 {
			now = w.now.Load().AddDate(0, 0, 1)
		}
		w.set(now)
		before := w.stored("app")
		var current []event.Event
		for _, e := range before.events {
			current = append(current, e)
		}
		left, events, changed := naive(current, now, 20, rs)
		var preview retention.Preview
		w.call("POST", "/v1/retention/preview", `{"retention_days":20}`, 200, &preview)
		for range 12 { // killed
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(r.IntN(60_000))*time.Microsecond)
			w.slice(ctx)
			cancel()
			w.expire()
		}
		run := w.purge()
		after := w.stored("app")
		compare(t, seed, left, after.events)
		for path, ids := range before.within {
			touched := false
			for _, id := range ids {
				e, there := left[id]
				touched = touched || !there || e != before.events[id]
			}
			if at, there := after.chunks[path]; !touched && (!there || !at.Equal(before.chunks[path])) {
				t.Errorf("seed %d, day %d: a chunk that is within retention was written", seed, day)
			}
		}
		if run.Counts.Events != events || preview.Events != events || preview.Chunks != run.Counts.Chunks || preview.Changed != changed || !preview.Complete {
			t.Errorf("seed %d, day %d: run %+v, preview %+v, want %d events, %d changed", seed, day, run.Counts, preview, events, changed)
		}
		if run.Overdue || run.Oldest == "" || run.Oldest < now.AddDate(0, 0, -20).Format(time.DateOnly) {
			t.Errorf("seed %d: oldest event %s, overdue %v", seed, run.Oldest, run.Overdue)
		}
	}
}

func compare(t *testing.T, seed uint64, want, got map[string]event.Event) {
	t.Helper()
	for id, e := range want {
		if got[id] != e {
			t.Errorf("seed %d: %+v, want %+v", seed, got[id], e)
		}
	}
	for id, e := range got {
		if _, ok := want[id]; !ok {
			t.Errorf("seed %d: %+v is left", seed, e)
		}
	}
}
