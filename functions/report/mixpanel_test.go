package report_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/project"
)

// mixpanel asks as a service account.
func (w *world) mixpanel(path, key string, pairs ...string) *httptest.ResponseRecorder {
	r := w.request(path, query(pairs...))
	r.Header.Del("Authorization")
	r.SetBasicAuth("service-account.abc", key)
	return w.serve(r)
}

// same expects an answer of this JSON.
func (w *world) same(rec *httptest.ResponseRecorder, want string) {
	w.t.Helper()
	var a, b any
	if err := json.Unmarshal([]byte(want), &b); err != nil {
		w.t.Fatal(err)
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &a); err != nil || rec.Code != http.StatusOK || !reflect.DeepEqual(a, b) {
		w.t.Errorf("%d %s, want %s", rec.Code, rec.Body, want)
	}
}

func (w *world) someEvents() {
	w.store(w.Project,
		ev("Seen", "ann", "2026-01-01 10:00:00", `{"plan":"pro","n":1}`), ev("Seen", "ann", "2026-01-01 10:30:00", `{"plan":"pro","n":2}`),
		ev("Seen", "bob", "2026-01-02 10:00:00", `{"n":3}`), ev("Bought", "ann", "2026-01-02 09:00:00", `{"plan":"pro"}`),
		ev("Bought", "bob", "2026-01-02 12:00:00", `{"plan":"free"}`), ev("Seen", "", "2026-01-02 13:00:00", `{}`),
	)
}

func TestMixpanelSegmentation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.someEvents()
	q := []string{"event", "Seen", "from_date", "2026-01-01", "to_date", "2026-01-02", "project_id", "1"}
	for _, c := range []struct{ more, want string }{
		{"", `{"data":{"series":["2026-01-01","2026-01-02"],"values":{"Seen":{"2026-01-01":2,"2026-01-02":2}}},"legend_size":1}`},
		{"type=unique", `{"data":{"series":["2026-01-01","2026-01-02"],"values":{"Seen":{"2026-01-01":1,"2026-01-02":1}}},"legend_size":1}`},
		{"type=average", `{"data":{"series":["2026-01-01","2026-01-02"],"values":{"Seen":{"2026-01-01":2,"2026-01-02":2}}},"legend_size":1}`},
		{`on=properties["plan"]|type=general`, `{"data":{"series":["2026-01-01","2026-01-02"],"values":{"pro":{"2026-01-01":2,"2026-01-02":0},"undefined":{"2026-01-01":0,"2026-01-02":2}}},"legend_size":2}`},
		{`on=string(properties["plan"])|limit=1|where=defined(properties["plan"])`, `{"data":{"series":["2026-01-01","2026-01-02"],"values":{"pro":{"2026-01-01":2,"2026-01-02":0}}},"legend_size":1}`},
		{"on=plan|unit=month", `{"data":{"series":["2026-01-01"],"values":{"pro":{"2026-01-01":2},"undefined":{"2026-01-01":2}}},"legend_size":2}`},
	} {
		all := q
		for pair := range strings.SplitSeq(c.more, "|") {
			if name, v, ok := strings.Cut(pair, "="); ok {
				all = append(all[:len(all):len(all)], name, v)
			}
		}
		w.same(w.mixpanel("/api/query/segmentation", w.key, all...), c.want)
	}
	for _, kind := range []string{"general", "unique"} {
		rec := w.mixpanel("/api/query/segmentation", w.key, "event", "Seen", "from_date", "2026-01-01", "to_date", "2026-01-01", "unit", "minute", "type", kind)
		var a struct {
			Data struct {
				Series []string
				Values map[string]map[string]float64
			}
		}
		w.answered(rec, &a)
		if v := a.Data.Values["Seen"]; len(a.Data.Series) != 1440 || v["2026-01-01 10:00:00"] != 1 || v["2026-01-01 10:30:00"] != 1 || v["2026-01-01 10:01:00"] != 0 {
			t.Errorf("%s: %.300s", kind, rec.Body)
		}
	}
}

// TestMixpanelSeriesOfOneName shows that what Mixpanel's form calls the same is added up:
// a value that is the text "undefined" and none at all, and an hour that comes twice.
func TestMixpanelSeriesOfOneName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.store(w.Project, ev("Seen", "ann", "2025-10-26 00:10:00", `{"plan":"undefined"}`), ev("Seen", "ann", "2025-10-26 00:20:00", `{"plan":"undefined"}`),
		ev("Seen", "bob", "2025-10-26 01:10:00", `{}`))
	q := []string{"event", "Seen", "from_date", "2025-10-26", "to_date", "2025-10-26", "on", "plan"}
	for kind, want := range map[string]string{"general": "3", "unique": "2", "average": "1.5"} {
		w.same(w.mixpanel("/api/query/segmentation", w.key, append(q, "type", kind)...),
			`{"data":{"series":["2025-10-26"],"values":{"undefined":{"2025-10-26":`+want+`}}},"legend_size":1}`)
		rec := w.mixpanel("/api/query/segmentation", w.key, append(q, "type", kind, "unit", "hour", "tz", "Europe/Berlin")...)
		var a struct {
			Data struct {
				Series []string
				Values map[string]map[string]json.Number
			}
		}
		w.answered(rec, &a)
		if n := a.Data.Values["undefined"]["2025-10-26 02:00:00"]; len(a.Data.Series) != 24 || n.String() != want {
			t.Errorf("%s: %d hours, %s in the one that comes twice, want %s", kind, len(a.Data.Series), n, want)
		}
	}
}

// TestMixpanelGroupsByText shows that a person of several values of one text is one of it.
func TestMixpanelGroupsByText(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i, plan := range []string{`{"plan":1}`, `{"plan":1.0}`, `{"plan":"1"}`, `{"plan":null}`, `{}`, `{"plan":"undefined"}`, `{"plan":[1e0]}`, `{"plan":"[1]"}`, `{"plan":"1.0"}`} {
		w.store(w.Project, ev("Seen", "ann", fmt.Sprintf("2026-01-01 10:%02d:00", i), plan))
	}
	q := []string{"event", "Seen", "from_date", "2026-01-01", "to_date", "2026-01-01", "on", `properties["plan"]`}
	for kind, want := range map[string][4]string{"general": {"3", "3", "2", "1"}, "unique": {"1", "1", "1", "1"}, "average": {"3", "3", "2", "1"}} {
		w.same(w.mixpanel("/api/query/segmentation", w.key, append(q, "type", kind)...), fmt.Sprintf(
			`{"data":{"series":["2026-01-01"],"values":{"1":{"2026-01-01":%s},"undefined":{"2026-01-01":%s},"[1]":{"2026-01-01":%s},"1.0":{"2026-01-01":%s}}},"legend_size":4}`,
			want[0], want[1], want[2], want[3]))
	}
}

func TestMixpanelRetention(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.someEvents()
	w.same(w.mixpanel("/api/query/retention", w.key, "from_date", "2026-01-01", "to_date", "2026-01-02", "born_event", "Seen", "event", "Bought", "retention_type", "birth", "interval_count", "2"),
		`{"2026-01-01":{"counts":[0,1],"first":1},"2026-01-02":{"counts":[1,0],"first":1}}`)
	// What has not begun is left off.
	today := time.Now().UTC().Format(time.DateOnly)
	w.same(w.mixpanel("/api/query/retention", w.key, "from_date", today, "to_date", today, "born_event", "Seen", "interval_count", "3", "unit", "month"),
		`{"`+today[:8]+`01":{"counts":[0],"first":0}}`)
}

func TestMixpanelTop(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	now := time.Now().UTC()
	put := func(name, who string, at time.Time, i int) {
		w.store(w.Project, event.Event{Name: name, DistinctID: who, InsertID: fmt.Sprint("i", i), Time: event.Millis(at.UnixMilli()), Received: 1, Properties: `{}`})
	}
	day := now.Truncate(24 * time.Hour)
	put("Seen", "ann", day, 1)
	put("Seen", "ann", day, 2)
	put("Seen", "bob", day, 3)
	put("Bought", "bob", day, 4)
	put("Seen", "bob", day.Add(-24*time.Hour), 5)
	put("Seen", "cleo", day.Add(-24*time.Hour), 6)
	put("Seen", "cleo", day.Add(-time.Millisecond), 7) // later than it is now
	put("Gone", "cleo", day.Add(-24*time.Hour), 8)
	w.same(w.mixpanel("/api/query/events/top", w.key, "type", "general"), `{"events":[{"amount":3,"event":"Seen","percent_change":0.5},{"amount":1,"event":"Bought","percent_change":null}],"type":"general"}`)
	w.same(w.mixpanel("/api/query/events/top", w.key, "type", "unique", "limit", "1"), `{"events":[{"amount":2,"event":"Seen","percent_change":0}],"type":"unique"}`)
	w.same(w.mixpanel("/api/query/events/top", w.key, "type", "average", "limit", "1"), `{"events":[{"amount":1.5,"event":"Seen","percent_change":0.5}],"type":"average"}`)
}

func (w *world) lastAccess() access.Entry {
	w.t.Helper()
	all := w.Access(w.t)
	if len(all) == 0 {
		w.t.Fatal("no entry in the access log")
	}
	newest := all[0]
	for _, e := range all {
		if e.Time.After(newest.Time) {
			newest = e
		}
	}
	return newest
}

func TestMixpanelStream(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.one("user", "phone")
	half := ev("Bought", "phone", "2026-01-01 10:00:00", `{}`)
	half.Time += 500
	w.store(w.Project, ev("Seen", "user", "2026-01-02 10:00:00", `{"n":1}`), half,
		ev("Seen", "user", "2026-01-03 10:00:00", `{}`), ev("Seen", "bob", "2026-01-01 10:00:00", `{}`), ev("Seen", "eve", "2026-01-01 10:00:00", `{}`))
	w.restrict("eve", true)
	w.same(w.mixpanel("/api/query/stream/query", w.key, "distinct_ids", `["user","eve"]`, "from_date", "2026-01-01", "to_date", "2026-01-02"),
		`{"status":"ok","results":{"events":[
		{"event":"Bought","properties":{"time":1767261600,"distinct_id":"phone","$insert_id":"i-2026-01-01 10:00:00","mp_processing_time_ms":1}},
		{"event":"Seen","properties":{"time":1767348000,"distinct_id":"user","$insert_id":"i-2026-01-02 10:00:00","mp_processing_time_ms":1,"n":1}}]}}`)
	e := w.lastAccess()
	if e.Action != "person.events" || e.Count != 2 || e.PersonCount != 2 || e.Persons[0] != person.MakeKey(w.Project.Secret, "user") || e.Query["distinct_ids"][0] != "?" {
		t.Errorf("%+v", e)
	}
}

func TestMixpanelExport(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.someEvents()
	w.store(w.Project, ev("Seen", "eve", "2026-01-01 10:00:00", `{}`))
	w.restrict("eve", true)
	privacy := w.newKey(project.Privacy)
	lines := func(pairs ...string) []string {
		t.Helper()
		rec := w.mixpanel("/api/2.0/export", privacy, append(pairs, "from_date", "2026-01-01", "to_date", "2026-01-02")...)
		if rec.Code != http.StatusOK || rec.Header().Get("Content-Type") != "application/x-ndjson" {
			t.Fatalf("%d %s", rec.Code, rec.Body)
		}
		var list []string
		for line := range strings.Lines(rec.Body.String()) {
			if !strings.HasSuffix(line, "\n") || !json.Valid([]byte(line)) || strings.Contains(line, `"eve"`) {
				t.Errorf("%q", line)
			}
			list = append(list, line)
		}
		return list
	}
	if got := lines(); len(got) != 6 {
		t.Errorf("%q", got)
	}
	if got := lines("event", `["Bought","Left"]`, "where", `properties["plan"] == "free"`); len(got) != 1 ||
		got[0] != `{"event":"Bought","properties":{"time":1767355200,"distinct_id":"bob","$insert_id":"i-2026-01-02 12:00:00","mp_processing_time_ms":1,"plan":"free"}}`+"\n" {
		t.Errorf("%q", got)
	}
	e := w.lastAccess()
	if e.Action != "export.events" || e.Status != http.StatusOK || e.Query["event"][0] != `["Bought","Left"]` || strings.Contains(e.Query["where"][0], "free") || e.Query["from_date"][0] != "2026-01-01" {
		t.Errorf("%+v", e)
	}
	if got := lines("limit", "2"); len(got) != 2 {
		t.Errorf("%q", got)
	}
	half := ev("Half", "ann", "2026-01-01 10:00:00", `{}`)
	half.Time += 500
	w.store(w.Project, half)
	const rest = `"distinct_id":"ann","$insert_id":"i-2026-01-01 10:00:00","mp_processing_time_ms":1}}` + "\n"
	for form, time := range map[string]string{"": `1767261600,"$lethe_ms":500`, "false": `1767261600,"$lethe_ms":500`, "true": "1767261600500", "True": "1767261600500"} {
		want := `{"event":"Half","properties":{"time":` + time + "," + rest
		if got := lines("event", `["Half"]`, "time_in_ms", form); len(got) != 1 || got[0] != want {
			t.Errorf("time_in_ms %q: got %q, want %q", form, got, want)
		}
	}
	rec := w.mixpanel("/api/2.0/export", privacy, "from_date", "2026-01-01", "to_date", "2026-01-02", "time_in_ms", "yes")
	if rec.Code != http.StatusBadRequest || !strings.Contains(rec.Body.String(), "time_in_ms: must be one of false, true") {
		t.Errorf("time_in_ms yes: got %d %s, want 400", rec.Code, rec.Body)
	}
	// A reader may not; nor who has no key.
	for key, status := range map[string]int{w.key: 403, "lethe_no": 401} {
		rec := w.mixpanel("/api/2.0/export", key, "from_date", "2026-01-01", "to_date", "2026-01-02")
		var p struct{ Error, Status string }
		if err := json.Unmarshal(rec.Body.Bytes(), &p); err != nil || rec.Code != status || p.Status != "error" || p.Error == "" {
			t.Errorf("%d %s", rec.Code, rec.Body)
		}
	}
}

func TestBadMixpanelQuestions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const days = "from_date=2026-01-01&to_date=2026-01-02"
	for _, c := range []struct{ path, query, says string }{
		{"segmentation", "", "event: is required"}, {"segmentation", "", "from_date: is required"}, {"segmentation", "event=a&from_date=x&to_date=2026-01-01", "from_date: must be a date"},
		{"segmentation", "event=a&from_date=2026-01-02&to_date=2026-01-01", "from_date: must not be after to_date"},
		{"segmentation", "event=a&" + days + "&type=sum", "type: must be one of"}, {"segmentation", "event=a&" + days + "&unit=year", "unit: must be one of"},
		{"segmentation", "event=a&" + days + `&on=properties["a"]%2B1`, "on: must be a property"}, {"segmentation", "event=a&" + days + "&unit=minute", "unit: from"},
		{"segmentation", "event=a&" + days + "&where=(", "where"}, {"segmentation", "event=a&" + days + "&formula=1", "formula: is not a parameter"},
		{"retention", days, "born_event: is required"}, {"retention", days + "&born_event=a&retention_type=x", "retention_type: must be one of birth, compounded"},
		{"retention", days + "&born_event=a&interval_count=0", "interval_count"}, {"retention", days + "&born_event=a&born_where=(", "where"},
		{"events/top", "type=x", "type: must be one of"}, {"events/top", "limit=0", "limit"},
		{"stream/query", days, "distinct_ids: is required"}, {"stream/query", days + "&distinct_ids=ann", "distinct_ids: must be a JSON array"},
		{"stream/query", days + `&distinct_ids=["a","a"]`, "distinct_ids: names one twice"},
	} {
		r := w.request("/api/query/"+c.path, nil)
		r.URL.RawQuery = strings.ReplaceAll(c.query, `"`, "%22")
		rec := w.serve(r)
		var p struct{ Error string }
		if err := json.Unmarshal(rec.Body.Bytes(), &p); err != nil || rec.Code != http.StatusBadRequest || !strings.Contains(p.Error, c.says) {
			t.Errorf("%s?%s: %d %s", c.path, c.query, rec.Code, rec.Body)
		}
	}
}
