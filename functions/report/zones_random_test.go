package report_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/functions/report"
)

// calendar finds the buckets of a zone's days minute by minute: their names, in
// order, and the name of a minute's.
type calendar struct {
	names    []string
	ofMinute map[int64]string
}

func newCalendar(from, to time.Time, unit string, zone *time.Location) calendar {
	c := calendar{ofMinute: map[int64]string{}}
	minutes := map[string]int{} // of each date, so far
	for at := from.Add(-15 * time.Hour); at.Before(to.Add(39 * time.Hour)); at = at.Add(time.Minute) {
		local := at.In(zone)
		date := local.Format(time.DateOnly)
		if date < from.Format(time.DateOnly) || date > to.Format(time.DateOnly) {
			continue
		}
		name := date
		switch unit {
		case "hour":
			name = fmt.Sprint(date, " ", minutes[date]/60)
		case "week":
			y, week := local.ISOWeek()
			name = fmt.Sprint(y, "W", week)
		case "month":
			name = date[:7]
		}
		minutes[date]++
		if len(c.names) == 0 || c.names[len(c.names)-1] != name {
			c.names = append(c.names, name)
		}
		c.ofMinute[at.Unix()/60] = name
	}
	return c
}

func TestZonesAgainstNaive(t *testing.T) {
	t.Parallel()
	r, seed := random(t)
	for range 4 {
		w := newWorld(t)
		around := at(oddDays[r.IntN(len(oddDays)-1)]).Time() // the day that never was has a test of its own
		all := w.crowd(r, around, 300)
		for range 25 {
			zoneOf := zones[r.IntN(len(zones))]
			zone := must(time.LoadLocation(zoneOf))
			from := around.AddDate(0, 0, r.IntN(14)-8)
			to := from.AddDate(0, 0, r.IntN(9))
			unit := []string{"hour", "day", "week", "month"}[r.IntN(4)]
			measure := []string{"total", "unique", "sum", "average", "min", "max", "median", "p90"}[r.IntN(8)]
			by := []string{"", "plan"}[r.IntN(2)]
			on := ""
			if measure != "total" && measure != "unique" {
				on = []string{"n", "plan"}[r.IntN(2)] // plan is a number at times
			}
			q := []string{"event", "Seen", "event", "Bought", "unit", unit, "measure", measure, "by", by, "on", on,
				"from", from.Format(time.DateOnly), "to", to.Format(time.DateOnly), "tz", zoneOf}
			got := w.segmentation(q...)

			cal := newCalendar(from, to, unit, zone)
			persons := map[string]map[string]bool{} // by series, and by series and bucket
			lists := map[string][]float64{}
			series := map[string]bool{}
			if by == "" {
				series["Seen/"], series["Bought/"] = true, true
			}
			for _, e := range all {
				bucket, ok := cal.ofMinute[int64(e.Time)/60_000]
				p := propsOf(e)
				if !ok || e.Name == "Left" || measure == "unique" && e.DistinctID == "" {
					continue
				}
				number := float64(p.N)
				if on == "plan" {
					if p.Plan == nil || json.Unmarshal(p.Plan, &number) != nil || string(p.Plan) == "null" {
						continue
					}
				}
				s := e.Name + "/"
				if by != "" {
					s += shown(groupOf(p.Plan))
				}
				series[s] = true
				for _, k := range []string{s, s + "|" + bucket} {
					if persons[k] == nil {
						persons[k] = map[string]bool{}
					}
					persons[k][e.DistinctID] = true
					lists[k] = append(lists[k], number)
				}
			}
			check := func(k string, count int64, result *float64) {
				t.Helper()
				want := int64(len(lists[k]))
				if measure == "unique" {
					want = int64(len(persons[k]))
				}
				if count != want {
					t.Fatalf("%s, %v: %s: %d, want %d", seed, q, k, count, want)
				}
				if on == "" || want == 0 {
					if result != nil {
						t.Fatalf("%s, %v: %s: %v", seed, q, k, *result)
					}
				} else if x := measured(measure, lists[k]); result == nil || math.Abs(*result-x) > 1e-9 {
					t.Fatalf("%s, %v: %s: %v, want %v of %v", seed, q, k, result, x, lists[k])
				}
			}
			if len(got.Series) != len(series) {
				t.Fatalf("%s, %v: %d series, want %v", seed, q, len(got.Series), slices.Collect(maps.Keys(series)))
			}
			for _, s := range got.Series {
				name := s.Event + "/"
				if by != "" {
					name += shown(s.GroupValue)
				}
				if len(s.Points) != len(cal.names) || !series[name] {
					t.Fatalf("%s, %v: %s has %d points, want %v", seed, q, name, len(s.Points), cal.names)
				}
				check(name, s.Total, s.Result)
				for i, p := range s.Points {
					check(name+"|"+cal.names[i], p.Count, p.Result)
				}
			}
			var top report.TopEvents
			w.answered(w.get(topPath, query("from", from.Format(time.DateOnly), "to", to.Format(time.DateOnly), "tz", zoneOf)), &top)
			if measure == "total" && by == "" || measure == "unique" && by == "" {
				for _, e := range top.Events {
					if n := map[string]int64{"total": e.Total, "unique": e.Unique}[measure]; e.Event != "Left" {
						check(e.Event+"/", n, nil)
					}
				}
			}
		}
	}
}

// measured computes a measure from all the numbers.
func measured(measure string, list []float64) (x float64) {
	list = slices.Sorted(slices.Values(list))
	n := len(list)
	for _, v := range list {
		x += v
	}
	switch measure {
	case "average":
		return x / float64(n)
	case "min":
		return list[0]
	case "max":
		return list[n-1]
	case "median":
		return (list[(n-1)/2] + list[n/2]) / 2
	case "p90": // in tenths, with whole numbers
		at := 9 * (n - 1)
		low := list[at/10]
		return low + (list[min(at/10+1, n-1)]-low)*float64(at%10)/10
	}
	return x
}
