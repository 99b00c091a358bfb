package report_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lethe-analytics/lethe/functions/report"
)

// oddPlans are values of which some are equal; in the order of equals.
var oddPlans = []struct {
	group  string
	values []string // of "plan", or "" for none
}{
	{"1:number", []string{`1`, `1.0`, `1e0`, `10e-1`}},
	{"1", []string{`"1"`, `"\u0031"`, `"1"`}},
	{"1830000000000000003:number", []string{`1830000000000000003`, `1830000000000000003.0`}},
	{"(null)", []string{`null`, `null`}},
	{"(undefined)", []string{``, ``}},
	{"1.0", []string{`"1.0"`}},
	{"1830000000000000004:number", []string{`1830000000000000004`}},
	{"[1]:array", []string{`[1.0]`}},
	{"null", []string{`"null"`}},
	{"undefined", []string{`"undefined"`}},
}

// A report groups what where takes for equal, and nothing else.
func TestGroupsAreOfEqualValues(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var bySegment, byFunnel, listed []string
	i := 0
	for _, p := range oddPlans {
		for _, v := range p.values {
			props := `{}`
			if v != "" {
				props = `{"plan":` + v + `}`
			}
			who := fmt.Sprint("person", i)
			w.store(w.Project, ev("Seen", who, fmt.Sprintf("2026-01-01 10:%02d:00", i), props), ev("Bought", who, fmt.Sprintf("2026-01-01 11:%02d:00", i), `{}`))
			i++
		}
		n := len(p.values)
		bySegment = append(bySegment, fmt.Sprintf("Seen/%s %d [%d]", p.group, n, n))
		byFunnel = append(byFunnel, fmt.Sprint(p.group, " ", n))
		if p.group != "(undefined)" {
			listed = append(listed, fmt.Sprint(p.group, " ", n))
		}
	}
	for _, measure := range []string{"total", "unique"} {
		expect(t, w.segmentation("event", "Seen", "measure", measure, "by", "plan", "from", "2026-01-01", "to", "2026-01-01"), bySegment...)
	}
	check := func(what string, got, want []string) {
		t.Helper()
		if g, w := strings.Join(got, ", "), strings.Join(want, ", "); g != w {
			t.Errorf("%s: got %s, want %s", what, g, w)
		}
	}
	var f report.Funnel
	w.answered(w.post("/v1/reports/funnel", `{"steps":[{"event":"Seen"},{"event":"Bought"}],"window_days":1,"by":"plan","from":"2026-01-01","to":"2026-01-01"}`), &f)
	var got []string
	for _, s := range f.Series {
		got = append(got, fmt.Sprint(shown(s.GroupValue), " ", s.Steps[1].Count))
	}
	check("funnel", got, byFunnel)
	var v report.Values
	w.answered(w.get("/v1/reports/values", query("property", "plan", "event", "Seen", "from", "2026-01-01", "to", "2026-01-01")), &v)
	got = nil
	for _, one := range v.Values {
		got = append(got, fmt.Sprint(shown(one.GroupValue), " ", one.Count))
	}
	check("values", got, listed)
	// A limit is of groups.
	a := w.segmentation("event", "Seen", "by", "plan", "limit", "1", "from", "2026-01-01", "to", "2026-01-01")
	expect(t, a, bySegment[0])
	if a.LeftOut != len(oddPlans)-1 {
		t.Errorf("got %d left out, want %d", a.LeftOut, len(oddPlans)-1)
	}
	// Whether two events are of one group, where says as well.
	for _, p := range oddPlans {
		if p.values[0] == "" || strings.HasPrefix(p.values[0], "[") {
			continue
		}
		expect(t, w.segmentation("event", "Seen", "where", `properties["plan"] == `+p.values[0], "from", "2026-01-01", "to", "2026-01-01"),
			fmt.Sprintf("Seen/null %d [%d]", len(p.values), len(p.values)))
	}
}

// Only what has no group has no type.
func TestGroupsInJSON(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.store(w.Project, ev("Seen", "ann", "2026-01-01 10:00:00", `{"plan":7.0}`), ev("Seen", "ann", "2026-01-01 10:01:00", `{}`), ev("Seen", "ann", "2026-01-01 10:02:00", `{"plan":null}`))
	q := []string{"event", "Seen", "from", "2026-01-01", "to", "2026-01-01"}
	for by, want := range map[string][]string{
		"plan": {`{"event":"Seen","value":"7","type":"number","total":1,`, `{"event":"Seen","value":null,"type":"null","total":1,`, `{"event":"Seen","value":null,"type":"undefined","total":1,`},
		"":     {`{"event":"Seen","value":null,"total":3,`},
	} {
		body := w.get(segmentationPath, query(append(q, "by", by)...)).Body.String()
		for _, part := range want {
			if !strings.Contains(body, part) {
				t.Errorf("by %q: got %s, want %s", by, body, part)
			}
		}
	}
}
