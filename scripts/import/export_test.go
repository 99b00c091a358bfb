package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/functions/report"
	"github.com/lethe-analytics/lethe/shared/event"
)

// export asks for all events of the last days.
func (s *system) export(form string) string {
	s.t.Helper()
	now := time.Now().UTC()
	q := url.Values{"from_date": {now.AddDate(0, 0, -3).Format(time.DateOnly)}, "to_date": {now.AddDate(0, 0, 1).Format(time.DateOnly)}, "time_in_ms": {form}}
	rec := local.Call(s.t.Context(), s.report, http.MethodGet, "/api/2.0/export?"+q.Encode(), s.Key, "")
	if rec.Code != http.StatusOK {
		s.t.Fatalf("got %d %s, want an export", rec.Code, rec.Body)
	}
	return rec.Body.String()
}

// exported is an event of an export.
type exported struct {
	Event      string
	Properties map[string]any
}

// events reads an export with times in milliseconds: the events in an order of their
// own, without their receipts, of which it returns the first and the last.
func (s *system) events() (all []exported, first, last float64) {
	s.t.Helper()
	for line := range strings.Lines(s.export("true")) {
		var e exported
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			s.t.Fatalf("%s: %v", line, err)
		}
		received := e.Properties[event.ProcessedName].(float64)
		if delete(e.Properties, event.ProcessedName); len(all) == 0 {
			first, last = received, received
		}
		first, last = min(first, received), max(last, received)
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b exported) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return all, first, last
}

// count counts all events of the last days as a report does.
func (s *system) count() int64 {
	s.t.Helper()
	now := time.Now().UTC()
	var a report.Segmentation
	path := "/v1/reports/segmentation?from=" + now.AddDate(0, 0, -3).Format(time.DateOnly) + "&to=" + now.AddDate(0, 0, 1).Format(time.DateOnly)
	local.Answered(s.t, local.Call(s.t.Context(), s.report, http.MethodGet, path, s.Key, ""), &a)
	var n int64
	for _, series := range a.Series {
		n += series.Total
	}
	return n
}

// post sends NDJSON or JSON to ingest, which must take all of it.
func (s *system) post(path, contentType, body, want string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	r.SetBasicAuth(s.Token, "")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	rec := httptest.NewRecorder()
	if _, err := rec.Body.ReadFrom(resp.Body); err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(rec.Body.String(), want) {
		s.t.Fatalf("got %d %s, %v; want %s", resp.StatusCode, rec.Body, err, want)
	}
}

// TestExportOfLethe sends events as SDKs do and imports the project's own export into
// the same project, in either form of the time, by the API and by this command. It is
// the same events then, with later receipts.
func TestExportOfLethe(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	second := time.Now().Add(-2 * time.Hour).Unix()
	var list []string
	for i, properties := range []string{
		fmt.Sprintf(`"distinct_id":"ann","time":%d.007,"$insert_id":"with-an-id-1","plan":"pro"`, second),
		fmt.Sprintf(`"distinct_id":"ann","time":%d007,"plan":"pro"`, second),
		fmt.Sprintf(`"distinct_id":"ann","time":%d,"plan":"pro"`, second),
		fmt.Sprintf(`"distinct_id":"ann","time":%d999,"$insert_id":"with-an-id-2","n":[1.50,{"a":null}]`, second),
		fmt.Sprintf(`"time":%d123,"of":"nobody"`, second),
		fmt.Sprintf(`"distinct_id":4711,"time":%d500,"text":"☕ \"\u003c\\\n"`, second-86_400),
		`"distinct_id":"bob"`,
		`"distinct_id":"bob","mp_processing_time_ms":1,"$insert_id":"i"`,
	} {
		list = append(list, fmt.Sprintf(`{"event":"Event %d","properties":{"token":%q,%s}}`, i%2, s.Token, properties))
	}
	s.post("/track?verbose=1", "application/json", "["+strings.Join(list, ",")+"]", `"status":1,"error":null`)
	local.Eventually(t, time.Minute, func() error {
		if got, _, _ := s.events(); len(got) != len(list) {
			return fmt.Errorf("%d events are stored, want %d", len(got), len(list))
		}
		return nil
	})
	want, _, latest := s.events()
	same := func(form, how string) {
		t.Helper()
		local.Eventually(t, time.Minute, func() error {
			got, first, last := s.events()
			if first <= latest && len(got) == len(want) {
				return fmt.Errorf("time_in_ms %q, by %s: not all are stored again", form, how)
			}
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("time_in_ms %q, by %s:\ngot  %v\nwant %v", form, how, got, want)
			}
			latest = last
			return nil
		})
		if got := s.count(); got != int64(len(want)) {
			t.Errorf("time_in_ms %q, by %s: a report counts %d events, want %d", form, how, got, len(want))
		}
	}
	for _, form := range []string{"true", "false"} {
		s.post("/import?strict=1", "application/x-ndjson", s.export(form), fmt.Sprintf(`"num_records_imported":%d`, len(list)))
		same(form, "the API")
		if out, err := s.run(t.Context(), s.export(form), "-"); err != nil || !strings.Contains(out, fmt.Sprintf("%d events imported, of %d lines\n", len(list), len(list))) {
			t.Fatalf("got %s, %v; want %d events imported", out, err, len(list))
		}
		same(form, "the command")
	}
}

// TestLargestLine takes a line that an export has made longer than an event may be, and
// leaves it to the server to judge.
func TestLargestLine(t *testing.T) {
	t.Parallel()
	e := event.Event{Name: "x", InsertID: "i", Time: start * 1000, Properties: `{"` + strings.Repeat("p", event.MaxBytes-10) + `":1}`}
	line := string(event.AppendExport(nil, &e, event.Seconds))
	if len(line) <= event.MaxBytes {
		t.Fatalf("the line has %d bytes, want more than %d", len(line), event.MaxBytes)
	}
	s := newSystem(t)
	if out, err := s.run(t.Context(), strings.Repeat(line+"\n", 10), "-"); err != nil || !strings.Contains(out, "10 events imported, of 10 lines\n") {
		t.Errorf("got %s, %v; want 10 events imported", out, err)
	}
}
