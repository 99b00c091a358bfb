package dashboard_test

import (
	"encoding/csv"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/shared/project"
)

func day(ago int) string { return time.Now().UTC().AddDate(0, 0, -ago).Format(time.DateOnly) }

// records reads the CSV file that a page gives.
func (b *browser) records(path string) [][]string {
	b.t.Helper()
	rec := b.get(path, http.StatusOK)
	if rec.Header().Get("Content-Type") != "text/csv; charset=utf-8" || !strings.Contains(rec.Header().Get("Content-Disposition"), ".csv") {
		b.t.Fatal(rec.Header())
	}
	all, err := csv.NewReader(rec.Body).ReadAll()
	if err != nil {
		b.t.Fatal(err)
	}
	return all
}

func TestOverview(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.signIn(w.newKey(project.Reader))
	has(t, b.get("/", http.StatusOK), "No events yet", "curl", "https://lethe.example.com/track")
	has(t, b.get("/?from=2020-01-01&to=2020-01-02", http.StatusOK), "No events in these days")
	w.happened("Signed up", 1, `{}`, "ann", "bob")
	w.happened("Signed up", 2, `{}`, "ann")
	w.happened(`<b>"Paid"</b>`, 1, `{}`, "ann")
	rec := b.get("/", http.StatusOK)
	has(t, rec, "<dd>4</dd>", "<dd>2</dd>", "Signed up</dd>", "Events by day", "<svg ", "People by day", "Top events", `href="/explore?event=Signed&#43;up&amp;from=`, "&lt;b&gt;")
	if strings.Contains(rec.Body.String(), "<b>") || strings.Contains(rec.Body.String(), " style=") || !strings.Contains(rec.Body.String(), `stroke="var(--chart-1)"`) {
		t.Error(rec.Body)
	}
	if got := b.records("/?format=csv&table=top-events"); len(got) != 3 || strings.Join(got[1], ",") != "Signed up,3,2" {
		t.Error(got)
	}
	if got := b.records("/?format=csv&table=people-by-day"); len(got) != 15 || strings.Join(got[13], ",") != day(1)+",2" || got[0][1] != "People" {
		t.Error(got)
	}
	if got := b.records("/?format=csv&table=events-by-day"); len(got) != 15 || strings.Join(got[13], ",") != day(1)+",3" {
		t.Error(got)
	}
	b.get("/?format=csv&table=none", http.StatusNotFound)
	has(t, b.get("/?from=x", http.StatusBadRequest), `role="alert"`, "from", "must be a date")
	has(t, b.get("/?from=1990-01-01", http.StatusBadRequest), `value="1990-01-01"`, `role="alert"`, "fewer days")
}

func TestExplore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.signIn(w.newKey(project.Reader))
	has(t, b.get("/explore", http.StatusOK), "No events yet", "curl")
	w.happened("Paid", 1, `{"plan":"pro","amount":5}`, "ann", "bob")
	w.happened("Paid", 1, `{"plan":"free","amount":1}`, "cid")
	w.happened("Paid", 2, `{"plan":"=cmd|' /C calc'!A0;@A1","amount":2.5}`, "dan")
	has(t, b.get("/explore", http.StatusOK), `<option value="Paid">`, "Choose an event")
	has(t, b.get("/explore?event=Paid", http.StatusOK), `<option value="plan">`, "<svg ", "In all", `<td class="number">4</td>`, "Over time")

	// Only what is asked stands in the URL that can be shared.
	to := b.get("/explore?event=Paid&event=&measure=&by=plan&p1=plan&o1=isnt&v1=free&o2=is&v2=", http.StatusSeeOther).Header().Get("Location")
	if to != "/explore?by=plan&event=Paid&o1=isnt&p1=plan&v1=free" {
		t.Fatal(to)
	}
	has(t, b.get(to, http.StatusOK), "Asked as <code>not properties[&#34;plan&#34;] == &#34;free&#34;</code>", "pro", `<td class="number">2</td>`)

	count := func(query string) string {
		t.Helper()
		got := b.records("/explore?event=Paid&format=csv&table=totals&" + query)
		return strings.Join(got[1], ",")
	}
	for query, want := range map[string]string{
		"p1=plan&o1=is&v1=pro":                                    "Paid,2",
		"p1=plan&v1=pro":                                          "Paid,2",
		"p1=amount&o1=is&v1=5":                                    "Paid,2",
		"p1=amount&o1=gt&v1=2":                                    "Paid,3",
		"p1=amount&o1=lte&v1=2.5":                                 "Paid,2",
		"p1=plan&o1=has&v1=r":                                     "Paid,3",
		"p1=plan&o1=hasnt&v1=r":                                   "Paid,1",
		"p1=plan&o1=in&v1=pro,free":                               "Paid,3",
		"p1=plan&o1=set":                                          "Paid,4",
		"p1=none&o1=unset":                                        "Paid,4",
		"p1=plan&o1=is&v1=pro&p2=amount&o2=is&v2=1":               "Paid,0",
		"match=any&p1=plan&o1=is&v1=pro&p2=amount&o2=is&v2=1":     "Paid,3",
		"p1=plan&o1=isnt&v1=pro&where=properties[%22amount%22]>1": "Paid,1",
		"measure=sum&on=amount":                                   "Paid,13.5",
		"measure=unique":                                          "Paid,4",
		"from=" + day(1) + "&to=" + day(1) + "&tz=Asia/Tokyo":     "Paid,3",
	} {
		if got := count(query); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	// What a spreadsheet would take for a formula is a text.
	if got := count("by=plan&p1=plan&o1=has&v1=cmd"); got != `'=cmd|' /C calc'!A0;'@A1,1` {
		t.Errorf("got %s, want the plan with an apostrophe before = and @", got)
	}
	for query, want := range map[string]string{
		"where=properties[":             "where",
		"tz=Mars/Olympus":               "tz",
		"measure=sum":                   "on",
		"from=2026-02-01&to=2026-01-01": "from",
	} {
		has(t, b.get("/explore?event=Paid&"+query, http.StatusBadRequest), `role="alert"`, want, `value="Paid"`)
	}
	has(t, b.get("/explore?event=paid", http.StatusOK), "Nothing was counted")
	has(t, b.get("/explore?event=Paid&measure=sum&on=plan", http.StatusOK), "Nothing was counted", "has a number in the property <code>plan</code>")
}

func TestFunnel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.signIn(w.newKey(project.Reader))
	has(t, b.get("/funnel", http.StatusOK), "No events yet")
	w.happened("Signed up", 3, `{"plan":"pro"}`, "ann", "bob")
	w.happened("Signed up", 3, `{"plan":"free"}`, "cid")
	w.happened("Paid", 2, `{}`, "ann")
	q := url.Values{"e1": {"Signed up"}, "e2": {"Paid"}}
	has(t, b.get("/funnel?"+q.Encode(), http.StatusOK), "<svg ", "1. Signed up", `<td class="number">3</td>`, "2. Paid", `<td class="number">1</td>`, "33.3 %", "1 d 0 h")
	q.Set("by", "plan")
	got := b.records("/funnel?format=csv&" + q.Encode())
	if len(got) != 5 || strings.Join(got[2], ",") != "2. Paid,pro,1,0.5,0.5,86400" || got[0][5] != "Median time from the step before (seconds)" {
		t.Error(got)
	}
	q.Set("window", "0")
	has(t, b.get("/funnel?"+q.Encode(), http.StatusBadRequest), `role="alert"`, "window_days", `value="Signed up"`)
	has(t, b.get("/funnel?e1=Nothing&e2=Paid", http.StatusOK), "<details><summary>More steps", "Step 10", "Nobody took the first step")
	has(t, b.get("/funnel?e1=Signed+up&e2=Paid&e10=Left", http.StatusOK), "<details open><summary>More steps", `value="Left"`, "3. Left")
	has(t, b.get("/funnel?e1=Paid", http.StatusBadRequest), "steps")
	for order, want := range map[string]string{"": "0", "sequence": "0", "strict": "0", "any": "1"} { // ann paid last
		at := "/funnel?e1=Paid&e2=Signed+up&order=" + order
		if order == "" {
			at = "/funnel?e1=Paid&e2=Signed+up"
		} else {
			has(t, b.get(at, http.StatusOK), `<option value="`+order+`" selected>`)
		}
		if got := b.records(at + "&format=csv"); len(got) != 3 || got[1][1] != "1" || got[2][1] != want {
			t.Error(order, got)
		}
	}
}

// Values that are apart in a report are apart on its page, and in its file.
func TestGroupsAreToldApart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.signIn(w.newKey(project.Reader))
	for i, value := range []string{`{"plan":7}`, `{"plan":"7"}`, `{"plan":7.0}`, `{"plan":null}`, `{}`, `{"plan":"pro"}`} {
		w.happened("Paid", 1, value, string(rune('a'+i)))
	}
	want := "7 2|\"7\" 1|pro 1|(null) 1|(not set) 1"
	var got []string
	for _, row := range b.records("/explore?event=Paid&by=plan&format=csv&table=totals")[1:] {
		got = append(got, strings.Join(row, " "))
	}
	if strings.Join(got, "|") != want {
		t.Errorf("explore: got %q, want %q", got, want)
	}
	has(t, b.get("/explore?event=Paid&by=plan", http.StatusOK), `<th scope="row">7</th>`, `<th scope="row">&#34;7&#34;</th>`, `<th scope="row">pro</th>`, `<th scope="row">(null)</th>`, `<th scope="row">(not set)</th>`)
	got = nil
	for i, row := range b.records("/funnel?e1=Paid&e2=Paid&by=plan&format=csv")[1:] {
		if i%2 == 0 {
			got = append(got, row[1]+" "+row[2])
		}
	}
	if strings.Join(got, "|") != want {
		t.Errorf("funnel: got %q, want %q", got, want)
	}
}

func TestRetention(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.signIn(w.newKey(project.Reader))
	has(t, b.get("/retention", http.StatusOK), "No events yet")
	w.happened("Signed up", 2, `{}`, "ann", "bob")
	w.happened("Opened", 1, `{}`, "ann")
	q := url.Values{"born": {"Signed up"}, "unit": {"day"}, "intervals": {"4"}, "from": {day(2)}, "to": {day(0)}}
	has(t, b.get("/retention?"+q.Encode(), http.StatusOK), day(2), `<td class="number">2</td>`, `heat-5`, "50 % (1)", "–")
	has(t, b.get("/retention?"+q.Encode(), http.StatusOK), day(1)+`</th><td class="number">0</td><td class="number heat-0">–</td>`) // nobody of nobody is no share
	got := b.records("/retention?format=csv&" + q.Encode())
	if len(got) != 4 || len(got[1]) != 6 || got[1][0] != day(2) || got[1][1] != "2" || got[1][3] != "1" || got[1][5] != "" {
		t.Error(got)
	}
	q.Set("intervals", "0")
	has(t, b.get("/retention?"+q.Encode(), http.StatusBadRequest), `role="alert"`, "intervals")
	has(t, b.get("/retention?born=Nothing", http.StatusOK), "Nobody began")
}
