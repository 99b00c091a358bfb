package report_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/shared/event"
)

// TestCompoundedAgainstNaive asks Mixpanel's compounded retention of random events, and
// looks for each cohort through every person's whole history.
func TestCompoundedAgainstNaive(t *testing.T) {
	t.Parallel()
	r, seed := random(t)
	for range 2 {
		w := newWorld(t)
		around := at(oddDays[r.IntN(len(oddDays)-1)]).Time()
		all := w.crowd(r, around, 200)
		for range 25 {
			zoneOf := zones[r.IntN(len(zones))]
			zone := must(time.LoadLocation(zoneOf))
			from := around.AddDate(0, 0, r.IntN(14)-8)
			to := from.AddDate(0, 0, r.IntN(10))
			unit := []string{"day", "week", "month"}[r.IntN(3)]
			intervals, least := 1+r.IntN(6), r.IntN(8)
			back := []string{"", "Seen", "Bought"}[r.IntN(3)]
			q := []string{"retention_type", "compounded", "born_event", "Seen", "born_where", fmt.Sprintf(`properties["n"] >= %d`, least), "unit", unit,
				"from_date", from.Format(time.DateOnly), "to_date", to.Format(time.DateOnly), "interval_count", fmt.Sprint(intervals)}
			if back != "" {
				q = append(q, "event", back)
			}
			if zoneOf != "" {
				q = append(q, "tz", zoneOf)
			}
			begin := func(day time.Time) time.Time {
				for unit == "week" && day.Weekday() != time.Monday || unit == "month" && day.Day() != 1 {
					day = day.AddDate(0, 0, -1)
				}
				return day
			}
			next := func(d time.Time) time.Time {
				return map[string]time.Time{"day": d.AddDate(0, 0, 1), "week": d.AddDate(0, 0, 7), "month": d.AddDate(0, 1, 0)}[unit]
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
			type cohort struct {
				Counts []int64 `json:"counts"`
				First  int64   `json:"first"`
			}
			want := map[string]cohort{}
			for start := begin(from); !start.After(to); start = next(start) {
				k := cohort{Counts: make([]int64, intervals)}
				for _, list := range histories(all, steps, from.Format(time.DateOnly), zone) {
					in := func(e taken) time.Time { return begin(at(dayIn(e.Event, zone)).Time()) }
					born := slices.IndexFunc(list, func(e taken) bool {
						return e.steps&1 == 1 && dayIn(e.Event, zone) <= to.Format(time.DateOnly) && in(e).Equal(start)
					})
					if born < 0 {
						continue
					}
					k.First++
					interval := start
					for i := range intervals {
						if slices.ContainsFunc(list[born+1:], func(e taken) bool { return e.steps&2 != 0 && in(e).Equal(interval) }) {
							k.Counts[i]++
						}
						interval = next(interval)
					}
				}
				want[start.Format(time.DateOnly)] = k
			}
			text, err := json.Marshal(want)
			if err != nil {
				t.Fatal(err)
			}
			t.Log(seed, q)
			w.same(w.mixpanel("/api/query/retention", w.key, q...), string(text))
			if t.Failed() {
				t.FailNow()
			}
		}
	}
}
