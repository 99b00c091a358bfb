package report_test

import (
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/lethe-analytics/lethe/functions/report"
)

func TestBadBodies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const days = `"from":"2026-01-01","to":"2026-01-31"`
	const steps = `"steps":[{"event":"a"},{"event":"b"}]`
	const born = `"born":{"event":"a"},"unit":"day"`
	long := strings.Repeat("x", 2000)
	for _, c := range []struct{ path, body, names string }{
		{"funnel", `{}`, "steps from to window_days"},
		{"funnel", `{"steps":[{"event":"a"}],` + days + `,"window_days":1}`, "steps"},
		{"funnel", `{"steps":[` + strings.Repeat(`{"event":"a"},`, 10) + `{"event":"a"}],` + days + `,"window_days":1}`, "steps"},
		{"funnel", `{"steps":[{"event":""},{"event":"` + long + `"}],` + days + `,"window_days":1}`, "steps[0].event steps[1].event"},
		{"funnel", `{"steps":[{"event":"a","where":"("},{"event":"b","where":"1 = 1"}],` + days + `,"window_days":1}`, "steps[0].where steps[1].where"},
		{"funnel", `{` + steps + `,"from":"2026-02-01","to":"2026-01-31","window_days":1}`, "from"},
		{"funnel", `{` + steps + `,"from":"1969-12-31","to":"31.1.2026","window_days":1}`, "from to"},
		{"funnel", `{` + steps + `,` + days + `,"window_days":367}`, "window_days"},
		{"funnel", `{` + steps + `,` + days + `,"window_days":1,"order":"loose","tz":"Local","by":"` + long + `"}`, "order tz by"},
		{"retention", `{}`, "born.event from to unit intervals"},
		{"retention", `{` + born + `,` + days + `,"intervals":0}`, "intervals"},
		{"retention", `{` + born + `,` + days + `,"intervals":367}`, "intervals"},
		{"retention", `{` + born + `,` + days + `,"intervals":1,"return":{"where":"("},"tz":"Mars"}`, "return.where tz"},
		{"retention", `{"born":{"event":"a"},"unit":"hour",` + days + `,"intervals":1}`, "unit"},
		{"retention", `{` + born + `,"from":"2020-01-01","to":"2026-01-31","intervals":1}`, "unit"},
		{"retention", `{` + born + `,"from":"2023-01-01","to":"2026-01-31","intervals":366}`, "unit"},
	} {
		p := w.refused(w.post("/v1/reports/"+c.path, c.body), http.StatusBadRequest)
		var got []string
		for _, f := range p.Errors {
			got = append(got, f.Name)
			if f.Detail == "" || strings.Contains(p.Detail, long) {
				t.Errorf("%.80s: %+v", c.body, f)
			}
		}
		want := strings.Fields(c.names)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s %.100s: %v, want %v", c.path, c.body, got, want)
		}
	}
	for body, status := range map[string]int{
		``: 400, `[]`: 400, `{"colour":1}`: 400, `{"steps":{}}`: 400, `{"from":1}`: 400, `{"from":"` + strings.Repeat("x", 200_000) + `"}`: 413,
	} {
		for _, path := range []string{"funnel", "retention"} {
			w.refused(w.post("/v1/reports/"+path, body), status)
		}
	}
	for query, name := range map[string]string{
		"properties?event=a&from=x": "from", "properties?limit=1": "limit", "properties?tz=x": "tz", "properties?from=2026-02-01&to=2026-01-01": "from",
		"values?event=a": "property", "values?property=a&limit=0": "limit", "values?property=" + long: "property", "values?property=a&event=" + long: "event",
	} {
		r := w.request("/v1/reports/", nil)
		path, q, _ := strings.Cut(query, "?")
		r.URL.Path, r.URL.RawQuery = r.URL.Path+path, q
		if p := w.refused(w.serve(r), http.StatusBadRequest); len(p.Errors) != 1 || p.Errors[0].Name != name {
			t.Errorf("%.60s: %+v", query, p)
		}
	}
}

// Of all sorts of events and persons, one report after another: whoever is restricted
// is in none, nor is another project's.
func TestRestrictedInNoReport(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, who := range []string{"ann", "eve"} {
		w.store(w.Project, ev("Seen", who, "2026-01-01 10:00:00", `{"of":"`+who+`"}`), ev("Bought", who, "2026-01-02 10:00:00", `{}`))
	}
	w.store(w.newProject("other"), ev("Seen", "ann", "2026-01-01 10:00:00", `{"of":"another"}`))
	check := func(n int64, values string) {
		t.Helper()
		const days = `"from":"2026-01-01","to":"2026-01-01"`
		var f report.Funnel
		w.answered(w.post("/v1/reports/funnel", `{"steps":[{"event":"Seen"},{"event":"Bought"}],"window_days":1,`+days+`}`), &f)
		if s := f.Series[0].Steps; s[0].Count != n || s[1].Count != n || *s[1].Median != 24*60*60 {
			t.Errorf("%+v", f)
		}
		var r report.Retention
		w.answered(w.post("/v1/reports/retention", `{"born":{"event":"Seen"},"unit":"day","intervals":2,`+days+`}`), &r)
		if c := r.Cohorts[0]; c.Size != n || *c.Returns[0] != 0 || *c.Returns[1] != n {
			t.Errorf("%+v", r)
		}
		var v report.Values
		w.answered(w.get("/v1/reports/values", query("property", "of", "from", "2026-01-01", "to", "2026-01-02")), &v)
		got := ""
		for _, one := range v.Values {
			got += *one.Value + " "
		}
		if got != values {
			t.Errorf("%q, want %q", got, values)
		}
		var p report.Properties
		w.answered(w.get("/v1/reports/properties", query("from", "2026-01-01", "to", "2026-01-02")), &p)
		if len(p.Properties) != 1 || p.Properties[0].Count != n {
			t.Errorf("%+v", p)
		}
	}
	check(2, "ann eve ")
	w.restrict("eve", true)
	check(1, "ann ")
}

func TestPickers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.store(w.Project,
		ev("Seen", "ann", "2026-01-01 23:30:00", `{"plan":"pro","n":1,"a\"b":[1]}`), ev("Seen", "bob", "2026-01-02 10:00:00", `{"plan":"pro","n":"1"}`),
		ev("Seen", "bob", "2026-01-02 11:00:00", `{"plan":null,"n":2,"o":{"x":1}}`), ev("Bought", "bob", "2026-01-02 12:00:00", `{"plan":"free","ok":true}`),
		ev("Seen", "", "2026-01-02 13:00:00", `{"plan":"free"}`), ev("Seen", "bob", "2026-01-03 13:00:00", `{"later":1}`),
	)
	w.store(w.Project, ev("Seen", "ann", "2026-01-01 23:30:00", `{"plan":"pro","n":1,"a\"b":[1]}`), ev("Bought", "ann", "2026-01-01 00:30:00", `{"early":1}`)) // sent again, with another
	properties := func(pairs ...string) (got string) {
		t.Helper()
		var a report.Properties
		w.answered(w.get("/v1/reports/properties", query(append(pairs, "to", "2026-01-02")...)), &a)
		for _, p := range a.Properties {
			got += fmt.Sprintf("%s %d %v ", p.Name, p.Count, p.Types)
		}
		return got
	}
	if got := properties("event", "Seen", "from", "2026-01-01"); got != `plan 4 [string null] n 3 [number string] a"b 1 [array] o 1 [object] ` {
		t.Error(got)
	}
	if got := properties("from", "2026-01-02"); got != `plan 4 [string null] n 2 [string number] o 1 [object] ok 1 [boolean] ` {
		t.Error(got)
	}
	if got := properties("from", "2026-01-02", "tz", "Europe/Berlin", "event", "Seen"); got != `plan 4 [string null] n 3 [number string] a"b 1 [array] o 1 [object] ` {
		t.Error("half past midnight in Berlin:", got)
	}
	values := func(pairs ...string) (got string) {
		t.Helper()
		var a report.Values
		w.answered(w.get("/v1/reports/values", query(append(pairs, "from", "2026-01-01", "to", "2026-01-02", "property", "plan")...)), &a)
		for _, v := range a.Values {
			got += fmt.Sprint(shown(v.GroupValue), v.Count, " ")
		}
		return got + fmt.Sprint(a.LeftOut)
	}
	if got := values(); got != "free2 pro2 (null)1 0" {
		t.Error(got)
	}
	if got := values("event", "Seen", "limit", "1"); got != "pro2 2" {
		t.Error(got)
	}
	// Without days, the last 30.
	var a report.Values
	w.answered(w.get("/v1/reports/values", query("property", "plan")), &a)
	if from, to := at(a.From).Time(), at(a.To).Time(); to.Sub(from).Hours() != 29*24 || len(a.Values) != 0 {
		t.Errorf("%+v", a)
	}
}

// A container may have no time zones: the function brings its own.
func TestZonesAreEmbedded(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", `{{join .Imports " "}}`, ".").Output()
	if err != nil || !slices.Contains(strings.Fields(string(out)), "time/tzdata") {
		t.Errorf("%s %v", out, err)
	}
}
