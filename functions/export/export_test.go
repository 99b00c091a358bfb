package export_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/functions/export"
	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/request"
)

// An archive holds all that is known of a person, in each format, and nothing of
// others.
func TestExport(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute, 15*time.Minute)
	w.work()
	odd := `{"a":1,"text":"line\nbreak, \"quoted\"","ü.$x":[1,{"b":null}]}`
	w.Deliver(t, w.store, []event.Event{
		ev("a/n n😀", "Seen", 1, "2025-01-02 03:04:05", odd), ev("a/n n😀", "Left", 2, "2024-12-31 00:00:00", `{"a":2}`), ev("bob", "Seen", 3, "2025-01-02 00:00:00", `{"a":"BOB"}`),
	}, event.Op{DistinctID: "a/n n😀", Name: "$set", Value: `{"email":"ann@example.com","plan":"free"}`, Received: event.Now() - 60_000, Request: "r"})
	w.Deliver(t, w.store, []event.Event{ev("a/n n😀", "$identify", 4, "2025-01-03 00:00:00", `{"$anon_distinct_id":"device-1"}`)})
	w.Deliver(t, w.store, []event.Event{ev("device-1", "Seen", 5, "2025-01-01 00:00:00", `{}`)})
	w.link("device-1", "a/n n😀", person.Link{By: "token", Event: "$identify"})
	at := time.Now().Add(-time.Minute).UTC().Truncate(time.Microsecond)
	w.say("a/n n😀", person.Consent{State: consent.Granted, Basis: "consent", Source: "form", At: at})
	for _, format := range []string{"ndjson", "json", "csv"} {
		asked := w.ask(`{"distinct_ids":["a/n n😀","nobody"],"format":"` + format + `"}`)
		if asked.URL != "" || asked.Status != request.Queued {
			t.Errorf("%+v", asked)
		}
		files := w.archive(w.until(asked.ID, request.Done))
		var names []string
		for name := range files {
			names = append(names, name)
		}
		slices.Sort(names)
		want := []string{"index.html", "manifest.json", "person-0001/consents.json", "person-0001/events-0001." + format, "person-0001/identities.json",
			"person-0001/profile.json", "person-0001/requests.json", "person-0002/consents.json", "person-0002/identities.json", "person-0002/profile.json", "person-0002/requests.json"}
		if !slices.Equal(names, want) {
			t.Errorf("%s: %v", format, names)
		}
		var p export.Profile
		if err := json.Unmarshal([]byte(files["person-0001/profile.json"]), &p); err != nil || p.DistinctID != "a/n n😀" || len(p.DistinctIDs) != 2 ||
			p.Profile["email"] != "ann@example.com" || p.Consent.State != consent.Granted {
			t.Errorf("%s %v", files["person-0001/profile.json"], err)
		}
		var consents []export.Consent
		if err := json.Unmarshal([]byte(files["person-0001/consents.json"]), &consents); err != nil || len(consents) != 1 || !consents[0].At.Equal(at) {
			t.Errorf("%s %v", files["person-0001/consents.json"], err)
		}
		if !strings.Contains(files["person-0001/requests.json"], asked.ID) {
			t.Errorf("%s", files["person-0001/requests.json"])
		}
		found, err := request.Of(t.Context(), w.Default, w.Project.ID, w.personKey("device-1"))
		if err != nil || !slices.ContainsFunc(found, func(f request.Found) bool { return f.Request == asked.ID }) {
			t.Errorf("the archive is not found by a distinct_id that it holds: %v %v", found, err)
		}
		events := files["person-0001/events-0001."+format]
		if strings.Contains(fmt.Sprint(files), "BOB") || strings.Count(events, "2025-01-02T03:04:05") != 1 || strings.Count(events, "device-1") != 2 {
			t.Errorf("%s: %v", format, files)
		}
		if first, second := strings.Index(events, "2024-12-31"), strings.Index(events, "2025-01-02"); first > second {
			t.Errorf("not the oldest first: %s", events)
		}
	}
	files := w.archive(w.until(w.ask(`{"distinct_ids":["a/n n😀"],"format":"ndjson"}`).ID, request.Done))
	var e struct {
		Event, Time string
		Properties  map[string]any
	}
	line := strings.Split(files["person-0001/events-0001.ndjson"], "\n")[1]
	if err := json.Unmarshal([]byte(line), &e); err != nil || e.Event != "Seen" || e.Properties["$insert_id"] != "i1" || e.Properties["text"] != "line\nbreak, \"quoted\"" {
		t.Errorf("%s %v", line, err)
	}
}

// TestArchiveInSpreadsheet shows that no text of an archive in CSV is a formula to a
// spreadsheet, that numbers stay numbers, and that its JSON still has the values sent.
func TestArchiveInSpreadsheet(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute, 15*time.Minute)
	w.work()
	const who = "+ann@example.com"
	w.Deliver(t, w.store, []event.Event{ev(who, "=1+1", 1, "2025-01-02 03:04:05",
		`{"@p":"\t=cmd|' /C calc'!A0","n":-5,"s":"-5","full":"＝1","in":"x;=1","list":["y;-1"],"no":true}`)})
	rows := func(body string) [][]string {
		t.Helper()
		files := w.archive(w.until(w.ask(`{"distinct_ids":["`+who+`"],"format":"csv"`+body+`}`).ID, request.Done))
		all, err := csv.NewReader(strings.NewReader(files["person-0001/events-0001.csv"])).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(files["index.html"], "apostrophe") {
			t.Errorf("the index does not tell how a text is kept from being a formula: %s", files["index.html"])
		}
		return all
	}
	want := [][]string{
		{"event", "time", "distinct_id", "$insert_id", "'@p", "full", "in", "list", "n", "no", "s"},
		{"'=1+1", "2025-01-02T03:04:05.000Z", "'" + who, "i1", "'\t'=cmd|' /C calc'!A0", "'＝1", "x;'=1", `["y;\u002d1"]`, "-5", "true", "'-5"},
	}
	if got := rows(`,"properties":["@p","n","s","full","in","list","no"]`); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	got := rows("")
	if cell := got[1][4]; !strings.Contains(cell, `"in":"x;\u003d1"`) || !strings.Contains(cell, `"n":-5`) {
		t.Errorf("properties: got %s", cell)
	}
	var properties map[string]any
	if err := json.Unmarshal([]byte(got[1][4]), &properties); err != nil || properties["in"] != "x;=1" || properties["@p"] != "\t=cmd|' /C calc'!A0" {
		t.Errorf("properties: got %v, %v; want what was sent", properties, err)
	}
}

// What an erasure has not got to yet is behind its fence all the same.
func TestExportWhileErased(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute, time.Minute)
	w.work()
	for source, at := range map[string]time.Time{"BEFORE": time.Now().Add(-time.Hour), "AFTER": time.Now().Add(-time.Minute)} {
		w.say("ann", person.Consent{State: consent.Granted, Source: source, At: at})
	}
	old, fresh := ev("ann", "Seen", 1, "2025-01-01 00:00:00", `{"a":"BEFORE"}`), ev("ann", "Seen", 2, "2025-01-01 00:00:00", `{"a":"AFTER"}`)
	old.Received = event.Now() - 3_600_000
	w.Deliver(t, w.store, []event.Event{old, fresh})
	if _, err := person.Ref(w.Default, w.Project.ID, w.personKey("ann")).Set(t.Context(), map[string]any{"erased_at": time.Now().Add(-30 * time.Minute)}, mergeAll); err != nil {
		t.Fatal(err)
	}
	files := w.archive(w.until(w.ask(`{"distinct_ids":["ann"]}`).ID, request.Done))
	all := fmt.Sprint(files)
	if strings.Contains(all, "BEFORE") || strings.Count(all, "AFTER") != 3 { // the event, the consent and its history
		t.Error(all)
	}
}

// Just what is asked for is in the archive.
func TestSelection(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute, 15*time.Minute)
	w.work()
	w.Deliver(t, w.store, []event.Event{
		ev("ann", "Seen", 1, "2025-01-01 00:00:00", `{"email":"ann@x","plan":"p1"}`), ev("ann", "Seen", 2, "2025-01-02 00:00:00", `{"plan":"p2"}`),
		ev("ann", "Left", 3, "2025-01-03 00:00:00", `{"email":"ann@y","$we.ird":"odd"}`),
	}, event.Op{DistinctID: "ann", Name: "$set", Value: `{"email":"ann@z","plan":"p4"}`, Received: event.Now() - 60_000, Request: "r"})
	for body, want := range map[string]string{
		`"properties":["email"]`:                    "ann@x ann@y ann@z",
		`"properties":["$we.ird"]`:                  "odd",
		`"properties":["email"],"format":"csv"`:     "ann@x ann@y ann@z",
		`"events":["Left"]`:                         "ann@y odd ann@z p4",
		`"from":"2025-01-02","to":"2025-01-02"`:     "p2 ann@z p4",
		`"properties":["nothing"]`:                  "",
		`"properties":["plan"],"events":["Seen"]`:   "p1 p2 p4",
		`"from":"2025-01-03","properties":["plan"]`: "p4",
	} {
		files := w.archive(w.until(w.ask(`{"distinct_ids":["ann"],`+body+`}`).ID, request.Done))
		all := ""
		for name, text := range files {
			if strings.HasPrefix(name, "person-") {
				all += text
			}
		}
		for _, value := range []string{"ann@x", "ann@y", "ann@z", "p1", "p2", "p4", "odd"} {
			if strings.Contains(all, value) != slices.Contains(strings.Fields(want), value) {
				t.Errorf("%s: %s in %s", body, value, all)
			}
		}
	}
}
