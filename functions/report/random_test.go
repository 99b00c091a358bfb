package report_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/shared/event"
)

var (
	plans  = []string{`"free"`, `"pro"`, `7`, `7.0`, `70e-1`, `"7"`, `null`, ``}
	people = []string{"ann", "bob", "cleo", "dan", "eve", ""}
	names  = []string{"Seen", "Bought", "Left"}
)

// TestAgainstNaive asks random questions of random events, stored in randomly cut,
// repeated batches, and computes each answer a second time in the plainest way.
func TestAgainstNaive(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	w := newWorld(t)
	start := time.Date(2025, 12, 20, 0, 0, 0, 0, time.UTC)
	var all []event.Event
	for i := range 400 {
		props := fmt.Sprintf(`{"n":%d}`, r.IntN(10))
		if plan := plans[r.IntN(len(plans))]; plan != "" {
			props = fmt.Sprintf(`{"n":%d,"plan":%s}`, r.IntN(10), plan)
		}
		all = append(all, event.Event{
			Name: names[r.IntN(3)], DistinctID: people[r.IntN(len(people))], InsertID: fmt.Sprint("i", i), Received: 1,
			Time:       event.Millis(start.Add(time.Duration(r.IntN(60*24*3600)) * time.Second).UnixMilli()),
			Properties: props,
		})
	}
	for from := 0; from < len(all); { // batches overlap
		to := min(len(all), from+1+r.IntN(80))
		w.store(w.Project, all[max(0, from-r.IntN(10)):to]...)
		from = to
	}
	for range 40 {
		a := start.AddDate(0, 0, r.IntN(62)-1)
		b := a.AddDate(0, 0, r.IntN(30))
		unit := []string{"hour", "day", "week", "month"}[r.IntN(4)]
		measure := []string{"total", "unique"}[r.IntN(2)]
		by := []string{"", "plan"}[r.IntN(2)]
		least := r.IntN(10)
		q := []string{"unit", unit, "measure", measure, "where", fmt.Sprintf(`properties["n"] >= %d`, least),
			"from", a.Format(time.DateOnly), "to", b.Format(time.DateOnly)}
		every := r.IntN(3) == 0 // without event
		if !every {
			q = append(q, "event", "Seen", "event", "Bought")
		}
		if by != "" {
			q = append(q, "by", by)
		}
		got := flat(w.segmentation(q...))
		want := naive(all, a, b, unit, measure, by, least, every)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d, %v: got\n\t%s\nwant\n\t%s", seed, q, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
		}
	}
}

// naive counts by walking from bucket to bucket and from event to event.
func naive(all []event.Event, from, to time.Time, unit, measure, by string, least int, every bool) []string {
	begin := map[string]func(time.Time) time.Time{
		"hour": func(t time.Time) time.Time { return t.Truncate(time.Hour) },
		"day":  func(t time.Time) time.Time { return t.Truncate(24 * time.Hour) },
		"week": func(t time.Time) time.Time {
			for t = t.Truncate(24 * time.Hour); t.Weekday() != time.Monday; {
				t = t.Add(-24 * time.Hour)
			}
			return t
		},
		"month": func(t time.Time) time.Time {
			for t = t.Truncate(24 * time.Hour); t.Day() != 1; {
				t = t.Add(-24 * time.Hour)
			}
			return t
		},
	}[unit]
	end := to.Add(24 * time.Hour)
	var buckets []time.Time
	for h := from; h.Before(end); h = h.Add(time.Hour) {
		if b := begin(h); !slices.Contains(buckets, b) {
			buckets = append(buckets, b)
		}
	}
	series := map[string]bool{}
	switch {
	case by == "" && every:
		series["/null"] = true
	case by == "":
		series["Seen/null"], series["Bought/null"] = true, true
	}
	counted := map[string]map[string]bool{} // by series, and by series and bucket
	for _, e := range all {
		props := propsOf(e)
		when := e.Time.Time()
		if e.Name == "Left" && !every || when.Before(from) || !when.Before(end) || props.N < least || measure == "unique" && e.DistinctID == "" {
			continue
		}
		value := "null"
		if by != "" {
			value = shown(groupOf(props.Plan))
		}
		s := e.Name + "/" + value
		if every {
			s = "/" + value
		}
		series[s] = true
		what := e.InsertID
		if measure == "unique" {
			what = e.DistinctID
		}
		for _, k := range []string{s, s + begin(when).String()} {
			if counted[k] == nil {
				counted[k] = map[string]bool{}
			}
			counted[k][what] = true
		}
	}
	var out []string
	for s := range series {
		var counts []string
		for _, b := range buckets {
			counts = append(counts, fmt.Sprint(len(counted[s+b.String()])))
		}
		out = append(out, fmt.Sprintf("%s %d [%s]", s, len(counted[s]), strings.Join(counts, ",")))
	}
	return out
}
