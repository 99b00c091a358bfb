package report_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/functions/report"
	"github.com/lethe-analytics/lethe/shared/event"
)

func expect(t *testing.T, a report.Segmentation, want ...string) {
	t.Helper()
	if got := flat(a); !slices.Equal(got, want) {
		t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func firstTime(a report.Segmentation) string { return a.Series[0].Points[0].Time.Format(time.RFC3339) }

func TestUnits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.store(w.Project,
		ev("Seen", "ann", "2026-01-31 23:59:59", `{}`),
		ev("Seen", "ann", "2026-02-01 00:00:00", `{}`), // a Sunday
		ev("Seen", "ann", "2026-02-01 23:30:00", `{}`),
		ev("Seen", "bob", "2026-02-02 00:10:00", `{}`), // a Monday
		ev("Seen", "ann", "2026-02-02 00:20:00", `{}`),
		ev("Seen", "ann", "2026-02-28 12:00:00", `{}`),
		ev("Seen", "bob", "2026-03-01 12:00:00", `{}`),
		ev("Other", "bob", "2026-02-02 12:00:00", `{}`),
	)
	ask := func(unit, measure, from, to string) report.Segmentation {
		t.Helper()
		return w.segmentation("event", "Seen", "unit", unit, "measure", measure, "from", from, "to", to)
	}
	expect(t, ask("day", "total", "2026-01-30", "2026-02-03"), "Seen/null 5 [0,1,2,2,0]")
	expect(t, ask("day", "unique", "2026-01-30", "2026-02-03"), "Seen/null 2 [0,1,1,2,0]")
	expect(t, ask("day", "total", "2026-02-01", "2026-02-01"), "Seen/null 2 [2]")
	expect(t, ask("day", "unique", "2026-02-01", "2026-02-01"), "Seen/null 1 [1]")
	expect(t, ask("day", "total", "2027-02-01", "2027-02-02"), "Seen/null 0 [0,0]")

	a := ask("hour", "total", "2026-02-01", "2026-02-02")
	expect(t, a, "Seen/null 4 [1"+strings.Repeat(",0", 22)+",1,2"+strings.Repeat(",0", 23)+"]")
	if got := a.Series[0].Points[24].Time.Format(time.RFC3339); got != "2026-02-02T00:00:00Z" {
		t.Error(got)
	}
	expect(t, ask("hour", "unique", "2026-02-01", "2026-02-01"), "Seen/null 1 [1"+strings.Repeat(",0", 22)+",1]")

	a = ask("week", "total", "2026-02-01", "2026-02-28")
	expect(t, a, "Seen/null 5 [2,2,0,0,1]") // the event of January 31 is of the first week, but before from
	if got := firstTime(a); got != "2026-01-26T00:00:00Z" {
		t.Error("weeks begin on Monday:", got)
	}
	expect(t, ask("week", "unique", "2026-01-26", "2026-03-01"), "Seen/null 2 [1,2,0,0,2]")
	expect(t, ask("week", "unique", "2026-02-02", "2026-02-02"), "Seen/null 2 [2]")

	a = ask("month", "total", "2026-01-31", "2026-03-01")
	expect(t, a, "Seen/null 7 [1,5,1]")
	if got := firstTime(a); got != "2026-01-01T00:00:00Z" || a.From != "2026-01-31" || a.To != "2026-03-01" || a.Unit != "month" || a.Measure != "total" {
		t.Errorf("%s %+v", got, a)
	}
	expect(t, ask("month", "unique", "2026-01-31", "2026-03-01"), "Seen/null 2 [1,2,1]")
	expect(t, ask("month", "unique", "2025-12-15", "2026-12-01"), "Seen/null 2 [0,1,2,1,0,0,0,0,0,0,0,0,0]")
}

func TestDefaultsAndShape(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.store(w.Project, ev("Seen", "ann", "2026-02-01 00:00:00", `{"plan":"pro"}`))
	before := time.Now()
	rec := w.get(segmentationPath, query("event", "Seen", "from", "2026-02-01", "to", "2026-02-02"))
	var a report.Segmentation
	w.answered(rec, &a)
	want := `{"from":"2026-02-01","to":"2026-02-02","unit":"day","measure":"total","series":[{"event":"Seen","value":null,"total":1,` +
		`"points":[{"time":"2026-02-01T00:00:00Z","count":1},{"time":"2026-02-02T00:00:00Z","count":0}]}],"computed_at":"`
	if got := rec.Body.String(); !strings.HasPrefix(got, want) || a.ComputedAt.Before(before.Add(-time.Second)) || a.ComputedAt.After(time.Now()) {
		t.Error(got)
	}
	if got := w.get(segmentationPath, query("event", "None", "from", "2026-02-01", "to", "2026-02-02", "by", "plan")).Body.String(); !strings.Contains(got, `"series":[]`) {
		t.Error("no values:", got)
	}
}

func TestBy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.store(w.Project,
		ev("Seen", "ann", "2026-02-01 01:00:00", `{"plan":"pro"}`),
		ev("Seen", "ann", "2026-02-01 02:00:00", `{"plan":"pro"}`),
		ev("Seen", "ann", "2026-02-02 03:00:00", `{"plan":"pro"}`),
		ev("Seen", "bob", "2026-02-02 03:00:00", `{"plan":"pro"}`),
		ev("Seen", "ann", "2026-02-01 04:00:00", `{"plan":"\u0066ree"}`),
		ev("Seen", "bob", "2026-02-01 05:00:00", `{"plan":"free"}`),
		ev("Seen", "bob", "2026-02-01 06:00:00", `{"plan":null}`),
		ev("Seen", "bob", "2026-02-01 07:00:00", `{"plans":1}`),
		ev("Seen", "bob", "2026-02-01 08:00:00", `{"plan":7}`),
		ev("Seen", "bob", "2026-02-01 09:00:00", `{"plan":"7"}`),
		ev("Seen", "bob", "2026-02-01 10:00:00", `{"plan":true}`),
		ev("Seen", "bob", "2026-02-01 11:00:00", `{"plan":["a",1]}`),
		ev("Seen", "bob", "2026-02-01 12:00:00", `{"plan":{"a":[1],"b":2.0}}`),
		ev("Seen", "bob", "2026-02-01 12:10:00", `{"plan":{"\u0062":2,"a":[1e0]}}`),
		ev("Seen", "bob", "2026-02-01 12:20:00", `{"plan":7.0}`),
		ev("Seen", "bob", "2026-02-01 12:30:00", `{"plan":0.7e1}`),
		ev("Seen", "bob", "2026-02-01 13:00:00", `{"plan":""}`),
		ev("Bought", "bob", "2026-02-02 05:00:00", `{"plan":"free"}`),
	)
	ask := func(pairs ...string) report.Segmentation {
		t.Helper()
		return w.segmentation(append(pairs, "from", "2026-02-01", "to", "2026-02-02", "by", "plan")...)
	}
	expect(t, ask("event", "Seen"), "Seen/pro 4 [2,2]", "Seen/7:number 3 [3,0]", "Seen/free 2 [2,0]",
		`Seen/{"a":[1],"b":2}:object 2 [2,0]`, "Seen/ 1 [1,0]", "Seen/7 1 [1,0]", `Seen/["a",1]:array 1 [1,0]`, "Seen/true:boolean 1 [1,0]", "Seen/(null) 1 [1,0]", "Seen/(undefined) 1 [1,0]")
	expect(t, ask("event", "Seen", "measure", "unique"), "Seen/free 2 [2,0]", "Seen/pro 2 [1,2]", "Seen/ 1 [1,0]", "Seen/7:number 1 [1,0]", "Seen/7 1 [1,0]",
		`Seen/["a",1]:array 1 [1,0]`, "Seen/true:boolean 1 [1,0]", `Seen/{"a":[1],"b":2}:object 1 [1,0]`, "Seen/(null) 1 [1,0]", "Seen/(undefined) 1 [1,0]")
	a := ask("event", "Seen", "event", "Bought", "limit", "3")
	expect(t, a, "Seen/pro 4 [2,2]", "Seen/7:number 3 [3,0]", "Seen/free 2 [2,0]")
	if a.LeftOut != 8 || a.Truncated {
		t.Errorf("left out %d, truncated %v", a.LeftOut, a.Truncated)
	}
	expect(t, ask("event", "Bought", "event", "Seen", "where", `properties["plan"] in ["free", 7]`),
		"Seen/7:number 3 [3,0]", "Seen/free 2 [2,0]", "Bought/free 1 [0,1]")
	expect(t, w.segmentation("event", "Seen", "from", "2026-02-01", "to", "2026-02-28", "by", "distinct_id"),
		"Seen/bob 13 [12,1"+strings.Repeat(",0", 26)+"]", "Seen/ann 4 [3,1"+strings.Repeat(",0", 26)+"]")
}

func TestWhereAndRepeatedEvent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.store(w.Project,
		ev("Seen", "ann", "2026-02-01 01:00:00", `{"plan":"pro","n":5}`),
		ev("Seen", "bob", "2026-02-01 02:00:00", `{"plan":"free","n":50}`),
		ev("Seen", "bob", "2026-02-02 02:00:00", `{"n":500}`),
		ev("Bought", "bob", "2026-02-01 02:00:00", `{"plan":"pro","n":3}`),
	)
	for expr, want := range map[string][]string{
		`properties["plan"] == "pro"`:                                {"Seen/null 1 [1,0]", "Bought/null 1 [1,0]", "Never/null 0 [0,0]"},
		`properties["n"] >= 50`:                                      {"Seen/null 2 [1,1]", "Bought/null 0 [0,0]", "Never/null 0 [0,0]"},
		`not defined(properties["plan"])`:                            {"Seen/null 1 [0,1]", "Bought/null 0 [0,0]", "Never/null 0 [0,0]"},
		`properties["distinct_id"] == "bob" and properties["n"] > 3`: {"Seen/null 2 [1,1]", "Bought/null 0 [0,0]", "Never/null 0 [0,0]"},
		`1 == 1`: {"Seen/null 3 [2,1]", "Bought/null 1 [1,0]", "Never/null 0 [0,0]"},
	} {
		expect(t, w.segmentation("event", "Seen", "event", "Bought", "event", "Never", "from", "2026-02-01", "to", "2026-02-02", "where", expr), want...)
	}
}

// Whatever way events came in, each counts once, on the day that it happened.
func TestLateEventsAndDuplicates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var events []event.Event
	for i := range 20 {
		events = append(events, ev("Seen", "ann", fmt.Sprintf("2026-02-%02d 12:00:00", 1+i%2), fmt.Sprintf(`{"i":%d}`, i)))
		events[i].InsertID = fmt.Sprint("i", i)
	}
	ask := func() report.Segmentation {
		t.Helper()
		return w.segmentation("event", "Seen", "from", "2026-02-01", "to", "2026-02-02")
	}
	w.store(w.Project, events...)
	w.store(w.Project, events...)       // delivered again
	w.store(w.Project, events[5:15]...) // retried, cut otherwise
	w.store(w.Project, events[3:7]...)
	expect(t, ask(), "Seen/null 20 [10,10]")
	late := ev("Seen", "ann", "2026-02-01 12:00:00", `{}`)
	late.Received = at("2026-03-01 00:00:00")
	w.store(w.Project, late)
	expect(t, ask(), "Seen/null 21 [11,10]")
	fixed := events[0] // the latest wins
	fixed.Properties, fixed.Received = `{"i":"fixed"}`, late.Received
	w.store(w.Project, fixed)
	expect(t, ask(), "Seen/null 21 [11,10]")
	expect(t, w.segmentation("event", "Seen", "from", "2026-02-01", "to", "2026-02-02", "where", `properties["i"] in [0, "fixed"]`, "by", "i"), "Seen/fixed 1 [1,0]")
}

func TestNobodyIsNoPerson(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.store(w.Project, ev("Seen", "ann", "2026-02-01 01:00:00", `{}`), ev("Seen", "", "2026-02-01 01:00:00", `{}`), ev("Lost", "", "2026-02-02 01:00:00", `{}`))
	ask := func(measure string) report.Segmentation {
		return w.segmentation("event", "Seen", "event", "Lost", "from", "2026-02-01", "to", "2026-02-02", "measure", measure)
	}
	expect(t, ask("total"), "Seen/null 2 [2,0]", "Lost/null 1 [0,1]")
	expect(t, ask("unique"), "Seen/null 1 [1,0]", "Lost/null 0 [0,0]")
}

func TestAnotherProjectIsNeverSeen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, id := range []string{"acm", "acme-2"} {
		w.store(w.newProject(id), ev("Seen", "ann", "2026-02-01 01:00:00", `{}`))
	}
	expect(t, w.segmentation("event", "Seen", "from", "2026-02-01", "to", "2026-02-01"), "Seen/null 0 [0]")
	var top report.TopEvents
	w.answered(w.get(topPath, query("from", "2026-02-01", "to", "2026-02-01")), &top)
	if len(top.Events) != 0 {
		t.Errorf("%+v", top)
	}
}
