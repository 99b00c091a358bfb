package report_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/functions/report"
)

// jsonType is the type of a value, as package encoding/json tells it.
func jsonType(v any) string {
	switch v.(type) {
	case string:
		return "string"
	case float64:
		return "number"
	case bool:
		return "boolean"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	}
	return "null"
}

// TestPickersAgainstNaive asks for the properties and the values of random events, whose
// properties are of all types, and counts them a second time event by event.
func TestPickersAgainstNaive(t *testing.T) {
	t.Parallel()
	r, seed := random(t)
	kinds := []string{"string", "number", "boolean", "null", "array", "object"} // in the order of equals
	for range 2 {
		w := newWorld(t)
		around := at(oddDays[r.IntN(len(oddDays)-1)]).Time()
		all := w.crowd(r, around, 250)
		for range 25 {
			zoneOf := zones[r.IntN(len(zones))]
			zone := must(time.LoadLocation(zoneOf))
			from := around.AddDate(0, 0, r.IntN(14)-8)
			to := from.AddDate(0, 0, r.IntN(10))
			name := []string{"", "Seen", "Bought"}[r.IntN(3)]
			q := []string{"from", from.Format(time.DateOnly), "to", to.Format(time.DateOnly), "tz", zoneOf}
			if name != "" {
				q = append(q, "event", name)
			}
			types, texts, groups := map[string]map[string]int64{}, map[string]map[string]int64{}, map[string]map[string]report.GroupValue{}
			for _, e := range all {
				day := dayIn(e, zone)
				if name != "" && e.Name != name || day < from.Format(time.DateOnly) || day > to.Format(time.DateOnly) {
					continue
				}
				var props map[string]json.RawMessage
				if err := json.Unmarshal([]byte(e.Properties), &props); err != nil {
					t.Fatal(err)
				}
				for k, raw := range props {
					if types[k] == nil {
						types[k], texts[k], groups[k] = map[string]int64{}, map[string]int64{}, map[string]report.GroupValue{}
					}
					g := groupOf(raw)
					types[k][g.Type]++
					texts[k][shown(g)]++
					groups[k][shown(g)] = g
				}
			}

			var p report.Properties
			w.answered(w.get("/v1/reports/properties", query(q...)), &p)
			want := []report.Property{}
			for k, counts := range types {
				one := report.Property{Name: k, Types: slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
					return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(slices.Index(kinds, a), slices.Index(kinds, b)))
				})}
				for _, n := range counts {
					one.Count += n
				}
				want = append(want, one)
			}
			slices.SortFunc(want, func(a, b report.Property) int {
				return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Name, b.Name))
			})
			if !reflect.DeepEqual(p.Properties, want) || p.Truncated {
				t.Fatalf("%s, %v: got %+v, want %+v", seed, q, p.Properties, want)
			}

			property := []string{"n", "plan", "more"}[r.IntN(3)]
			var v report.Values
			limit := 1 + r.IntN(4)
			w.answered(w.get("/v1/reports/values", query(append(q, "property", property, "limit", fmt.Sprint(limit))...)), &v)
			got, counts := []string{}, texts[property]
			for _, one := range v.Values {
				got = append(got, fmt.Sprint(shown(one.GroupValue), " ", one.Count))
			}
			wanted := []string{}
			for _, text := range slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
				return cmp.Or(cmp.Compare(counts[b], counts[a]), compareGroups(groups[property][a], groups[property][b]))
			}) {
				wanted = append(wanted, fmt.Sprint(text, " ", counts[text]))
			}
			left := max(0, len(wanted)-limit)
			if wanted = wanted[:min(len(wanted), limit)]; !slices.Equal(got, wanted) || v.LeftOut != left {
				t.Fatalf("%s, %v, %s, limit %d: got %q and %d, want %q and %d", seed, q, property, limit, got, v.LeftOut, wanted, left)
			}
		}
	}
}
