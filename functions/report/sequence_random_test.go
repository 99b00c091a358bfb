package report_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/functions/report"
	"github.com/lethe-analytics/lethe/shared/event"
)

// zones are some whose days are odd: DST at midnight (Cairo, Havana, Sao Paulo) and of
// half an hour (Lord Howe), a half hour from UTC, a day that never was (Apia).
var zones = []string{"", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Africa/Cairo", "America/Havana", "Pacific/Apia", "Pacific/Kiritimati"}

// random is a source whose seed is printed; LETHE_SEED repeats one.
func random(t *testing.T) (*rand.Rand, string) {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if v := os.Getenv("LETHE_SEED"); v != "" {
		n, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seed = n
	}
	t.Logf("LETHE_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0)), fmt.Sprint("LETHE_SEED=", seed)
}

// crowd makes random events of persons, some of several distinct_ids, around a day,
// stores them in batches that overlap and out of order, and gives them as of the
// persons.
func (w *world) crowd(r *rand.Rand, around time.Time, n int) (as []event.Event) {
	w.one("a0", "a1", "a2")
	w.one("b0", "b1")
	heads := map[string]string{"a1": "a0", "a2": "a0", "b1": "b0"}
	ids := []string{"a0", "a1", "a2", "b0", "b1", "d", "e", "f", "g", ""}
	var all []event.Event
	for i := range n {
		at := around.Add(time.Duration(r.IntN(24*24*60)-12*24*60) * time.Minute)
		if i > 0 && r.IntN(8) == 0 {
			at = all[i-1].Time.Time() // of one moment
		}
		props := fmt.Sprintf(`{"n":%d}`, r.IntN(8))
		if r.IntN(3) > 0 {
			props = fmt.Sprintf(`{"n":%d,"plan":%s}`, r.IntN(8), []string{`"free"`, `"pro"`, `7`, `"7"`, `7.0`, `0.7e1`, `null`}[r.IntN(7)])
		}
		if r.IntN(4) == 0 {
			props = props[:len(props)-1] + `,"more":` + []string{`null`, `true`, `[1,"a"]`, `{"deep":2}`, `"text"`, `2.5`, `"2.5"`}[r.IntN(7)] + "}"
		}
		e := event.Event{Name: names[r.IntN(3)], DistinctID: ids[r.IntN(len(ids))], InsertID: fmt.Sprint("i", i), Received: 1,
			Time: event.Millis(at.UnixMilli()), Properties: props}
		all = append(all, e)
		if head := heads[e.DistinctID]; head != "" {
			e.DistinctID = head
		}
		as = append(as, e)
	}
	late := slices.Clone(all)
	r.Shuffle(len(late), func(i, j int) { late[i], late[j] = late[j], late[i] })
	for from := 0; from < len(late); {
		to := min(len(late), from+1+r.IntN(80))
		w.store(w.Project, late[max(0, from-r.IntN(10)):to]...)
		from = to
	}
	return as
}

// oddDays are days around which a zone's clocks change, or months end.
var oddDays = []string{"2025-03-30", "2025-10-26", "2025-03-09", "2025-11-02", "2026-04-05", "2025-04-25", "2025-10-31", "2024-02-29", "2011-12-30"}

type props struct {
	N    int
	Plan json.RawMessage
}

func propsOf(e event.Event) (p props) {
	if err := json.Unmarshal([]byte(e.Properties), &p); err != nil {
		panic(err)
	}
	return p
}

func dayIn(e event.Event, zone *time.Location) string {
	return e.Time.Time().In(zone).Format(time.DateOnly)
}

// taken is an event of a person and the steps that it matches.
type taken struct {
	event.Event
	steps uint16
	value report.GroupValue
}

// histories are each person's events from a day on, in the order that the reports
// prescribe.
func histories(all []event.Event, steps func(event.Event) uint16, from string, zone *time.Location) map[string][]taken {
	by := map[string][]taken{}
	for _, e := range all {
		if e.DistinctID == "" || dayIn(e, zone) < from {
			continue
		}
		t := taken{e, steps(e), groupOf(nil)}
		if t.steps&1 != 0 {
			t.value = groupOf(propsOf(e).Plan)
		}
		by[e.DistinctID] = append(by[e.DistinctID], t)
	}
	for _, list := range by {
		slices.SortFunc(list, func(a, b taken) int {
			return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(bits.TrailingZeros16(a.steps), bits.TrailingZeros16(b.steps)),
				cmp.Compare(a.steps, b.steps), compareGroups(a.value, b.value))
		})
	}
	return by
}

// attempt walks from one first event on, as the definition of report.Funnel says.
func attempt(list []taken, from, steps int, window time.Duration, strict bool) (at []int) {
	at = []int{from}
	for i := from + 1; i < len(list) && len(at) < steps; i++ {
		late := list[i].Time.Time().Sub(list[from].Time.Time()) > window
		fits := list[i].steps>>len(at)&1 == 1 && !late
		if fits {
			at = append(at, i)
		} else if strict || late {
			break
		}
	}
	return at
}

// attemptInAnyOrder is one that begins with an event of any step. It gives, of each step
// that it got to, the event with which that one and all before it were done.
func attemptInAnyOrder(list []taken, from, steps int, window time.Duration) (at []int) {
	did := map[int]int{} // the event that did a step
	for i := from; i < len(list) && list[i].Time.Time().Sub(list[from].Time.Time()) <= window; i++ {
		for step := range steps {
			if _, done := did[step]; !done && list[i].steps>>step&1 == 1 {
				did[step] = i
				break
			}
		}
	}
	last := from
	for step := range steps {
		i, done := did[step]
		if !done {
			break
		}
		last = max(last, i)
		at = append(at, last)
	}
	return at
}

func TestFunnelAgainstNaive(t *testing.T) {
	t.Parallel()
	r, seed := random(t)
	for range 3 {
		w := newWorld(t)
		around := at(oddDays[r.IntN(len(oddDays))]).Time()
		all := w.crowd(r, around, 300)
		for range 25 {
			zoneOf := zones[r.IntN(len(zones))]
			zone := must(time.LoadLocation(zoneOf))
			from := around.AddDate(0, 0, r.IntN(14)-8)
			to := from.AddDate(0, 0, r.IntN(8))
			n := 2 + r.IntN(3)
			window := 1 + r.IntN(4)
			order := []string{"", "sequence", "strict", "any", "any"}[r.IntN(5)]
			by := []string{"", "plan"}[r.IntN(2)]
			var steps []map[string]any
			var least []int
			var stepNames []string
			for range n {
				l := r.IntN(4)
				e := names[r.IntN(2)]
				steps = append(steps, map[string]any{"event": e, "where": fmt.Sprintf(`properties["n"] >= %d`, l)})
				least, stepNames = append(least, l), append(stepNames, e)
			}
			q := map[string]any{"steps": steps, "from": from.Format(time.DateOnly), "to": to.Format(time.DateOnly), "window_days": window, "by": by, "order": order, "tz": zoneOf}
			var a report.Funnel
			w.answered(w.post("/v1/reports/funnel", q), &a)

			match := func(e event.Event) (m uint16) {
				for i := range n {
					if e.Name == stepNames[i] && propsOf(e).N >= least[i] {
						m |= 1 << i
					}
				}
				return m
			}
			type counted struct {
				counts  []int64
				between [][]float64
			}
			want := map[string]*counted{}
			if a.Order != cmp.Or(order, "sequence") {
				t.Fatalf("%s, %v: order %q", seed, q, a.Order)
			}
			if by == "" {
				want["null"] = &counted{make([]int64, n), make([][]float64, n)}
			}
			for _, list := range histories(all, match, from.Format(time.DateOnly), zone) {
				var best []int
				for i, e := range list {
					if dayIn(e.Event, zone) > to.Format(time.DateOnly) || e.steps == 0 || order != "any" && e.steps&1 == 0 {
						continue
					}
					var at []int
					if order == "any" {
						at = attemptInAnyOrder(list, i, n, time.Duration(window)*24*time.Hour)
					} else {
						at = attempt(list, i, n, time.Duration(window)*24*time.Hour, order == "strict")
					}
					if len(at) == 0 {
						continue // it has not got to the first step
					}
					if len(at) > len(best) || len(at) == len(best) && (at[len(at)-1] < best[len(best)-1] || at[len(at)-1] == best[len(best)-1] && len(at) > 1) {
						best = at
					}
				}
				if best == nil {
					continue
				}
				value := "null"
				if by != "" {
					value = shown(list[best[0]].value)
				}
				if want[value] == nil {
					want[value] = &counted{make([]int64, n), make([][]float64, n)}
				}
				for i, k := range best {
					want[value].counts[i]++
					if i > 0 {
						want[value].between[i] = append(want[value].between[i], list[k].Time.Time().Sub(list[best[i-1]].Time.Time()).Seconds())
					}
				}
			}
			got := map[string][]report.FunnelStep{}
			for _, s := range a.Series {
				got[shown(s.GroupValue)] = s.Steps
			}
			if len(got) != len(want) {
				t.Fatalf("%s, %v: got %+v", seed, q, got)
			}
			for v, c := range want {
				for i := range n {
					s := got[v][i]
					var median *float64
					if d := c.between[i]; len(d) > 0 {
						slices.Sort(d)
						m := (d[(len(d)-1)/2] + d[len(d)/2]) / 2
						median = &m
					}
					if s.Event != stepNames[i] || s.Count != c.counts[i] || !reflect.DeepEqual(s.Median, median) ||
						s.FromFirst != ratio(c.counts[i], c.counts[0]) || s.FromPrevious != ratio(c.counts[i], c.counts[max(0, i-1)]) {
						t.Fatalf("%s, %v: value %s step %d: got %+v, want %+v %v", seed, q, v, i, s, c, median)
					}
				}
			}
		}
	}
}

func ratio(n, of int64) float64 {
	if of == 0 {
		return 0
	}
	return float64(n) / float64(of)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestRetentionAgainstNaive(t *testing.T) {
	t.Parallel()
	r, seed := random(t)
	for range 3 {
		w := newWorld(t)
		around := at(oddDays[r.IntN(len(oddDays))]).Time()
		all := w.crowd(r, around, 200)
		for range 25 {
			zoneOf := zones[r.IntN(len(zones))]
			zone := must(time.LoadLocation(zoneOf))
			from := around.AddDate(0, 0, r.IntN(14)-8)
			to := from.AddDate(0, 0, r.IntN(10))
			unit := []string{"day", "week", "month"}[r.IntN(3)]
			intervals := 1 + r.IntN(6)
			least := r.IntN(8)
			back := []string{"", "Seen", "Bought"}[r.IntN(3)]
			q := map[string]any{"born": map[string]any{"event": "Seen", "where": fmt.Sprintf(`properties["n"] >= %d`, least)}, "return": map[string]any{"event": back},
				"from": from.Format(time.DateOnly), "to": to.Format(time.DateOnly), "unit": unit, "intervals": intervals, "tz": zoneOf}
			var a report.Retention
			w.answered(w.post("/v1/reports/retention", q), &a)

			begin := func(day time.Time) time.Time {
				for unit == "week" && day.Weekday() != time.Monday || unit == "month" && day.Day() != 1 {
					day = day.AddDate(0, 0, -1)
				}
				return day
			}
			var starts []string // of cohorts
			for d := from; !d.After(to); d = d.AddDate(0, 0, 1) {
				if s := begin(d).Format(time.DateOnly); !slices.Contains(starts, s) {
					starts = append(starts, s)
				}
			}
			steps := func(e event.Event) (m uint16) {
				if e.Name == "Seen" && propsOf(e).N >= least {
					m = 1
				}
				if back == "" || e.Name == back {
					m |= 2
				}
				return m
			}
			sizes, returns := map[string]int64{}, map[string]int64{}
			for _, list := range histories(all, steps, from.Format(time.DateOnly), zone) {
				born := slices.IndexFunc(list, func(e taken) bool { return e.steps&1 == 1 })
				if born < 0 || dayIn(list[born].Event, zone) > to.Format(time.DateOnly) {
					continue
				}
				cohort := begin(at(dayIn(list[born].Event, zone)).Time())
				sizes[cohort.Format(time.DateOnly)]++
				seen := map[int]bool{}
				for _, e := range list[born+1:] {
					if e.steps&2 == 0 {
						continue
					}
					in := begin(at(dayIn(e.Event, zone)).Time())
					i := 0
					for d := cohort; d.Before(in); i++ {
						d = begin(map[string]time.Time{"day": d.AddDate(0, 0, 1), "week": d.AddDate(0, 0, 7), "month": d.AddDate(0, 1, 0)}[unit])
					}
					if i < intervals && !seen[i] {
						seen[i] = true
						returns[fmt.Sprint(cohort.Format(time.DateOnly), i)]++
					}
				}
			}
			if len(a.Cohorts) != len(starts) {
				t.Fatalf("%s, %v: %d cohorts, want %v", seed, q, len(a.Cohorts), starts)
			}
			for i, c := range a.Cohorts {
				if c.Size != sizes[starts[i]] || len(c.Returns) != intervals || starts[i] != "2011-12-30" && c.Time.Format(time.DateOnly) != starts[i] {
					t.Fatalf("%s, %v: cohort %s: %+v, want %d", seed, q, starts[i], c, sizes[starts[i]])
				}
				for j, n := range c.Returns {
					if n == nil || *n != returns[fmt.Sprint(starts[i], j)] {
						t.Fatalf("%s, %v: cohort %s, interval %d: %v, want %d", seed, q, starts[i], j, n, returns[fmt.Sprint(starts[i], j)])
					}
				}
			}
		}
	}
}
