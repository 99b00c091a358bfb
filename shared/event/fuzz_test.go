package event_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/lethe-analytics/lethe/shared/event"
)

// FuzzParseEvents holds the parser to what its callers rely on: what it accepts
// is within the limits, counts add up, and the properties are a JSON object that
// the standard library reads too.
func FuzzParseEvents(f *testing.F) {
	for _, s := range []string{item(""), "[" + item(`,"a":{"b":[1,"x"]}`) + "," + item(`,"a":1,"a":2`) + "]",
		item("") + "\n{\n" + item(""), `[{"event":"\ud800"}]`, item(`,"a\ud83d":["\ude00",{"b":"\ud83d\ud83d\ude00"}]`) + "x", item(`,"alias":"\ud83d\u12"`), "[[[[", `{"event":"x","properties":{"time":1e99}}`,
		item(`,"t\u006fken":1`), item(`,"$lethe_ms":7,"mp_processing_time_ms":5`), `{"event":"x","properties":{"time":1795400000.999}}`, `{"event":"x","properties":{"t\u006fken":1}}`} {
		f.Add([]byte(s), false, false)
		f.Add([]byte(s), true, true)
	}
	f.Fuzz(func(t *testing.T, body []byte, ndjson, imp bool) {
		got, err := event.ParseEvents(body, event.Rules{AnyTime: imp, Complete: imp, NDJSON: ndjson, Now: now, Nonce: "n-"})
		if err != nil {
			return
		}
		if len(got.Events)+len(got.Failures) != got.Items || len(got.Events) != len(got.Tokens) || got.Items > event.MaxItems {
			t.Fatalf("%d events, %d failures, %d items", len(got.Events), len(got.Failures), got.Items)
		}
		// The parser's own scanner and jsontext agree on what is JSON, which half of a
		// surrogate pair is too.
		text := jsontext.Value(bytes.TrimSpace(body))
		valid := utf8.Valid(text) && text.IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
		if !ndjson && valid != !slices.ContainsFunc(got.Failures, syntax) {
			t.Fatalf("%q: valid %v, failures %+v", body, valid, got.Failures)
		}
		for _, e := range got.Events {
			if !jsontext.Value(e.Properties).IsValid() {
				t.Fatalf("%q is not JSON as it is stored", e.Properties)
			}
			var props map[string]any
			if err := json.Unmarshal([]byte(e.Properties), &props); err != nil {
				t.Fatalf("%q: %v", e.Properties, err)
			}
			for _, own := range []string{"token", "time", "distinct_id", "$insert_id", event.ProcessedName, event.RestName} {
				if _, kept := props[own]; kept {
					t.Fatalf("%q is kept as a property: %s", own, e.Properties)
				}
			}
			if e.Name == "" || e.InsertID == "" || event.IsNobody(e.DistinctID) || e.Time < event.Earliest || len(props) > event.MaxProperties ||
				!utf8.ValidString(e.Name) || utf8.RuneCountInString(e.Name) > event.MaxString {
				t.Fatalf("accepted: %+v", e)
			}
			comesBack(t, &e)
		}
	})
}

// FuzzParseOps does the same for profile operations.
func FuzzParseOps(f *testing.F) {
	f.Add([]byte(`[{"$token":"t","$distinct_id":"a","$set":{"a":1}},{"$token":"t","$distinct_id":"a","$unset":["a"]}]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := event.ParseOps(body, event.Rules{Now: now, Nonce: "n-"})
		if err != nil {
			return
		}
		for _, o := range got.Ops {
			if o.DistinctID == "" || o.Request == "" || !jsontext.Value(o.Value).IsValid() {
				t.Fatalf("accepted: %+v", o)
			}
		}
	})
}

// syntax tells the failures of an item that is not JSON.
func syntax(f event.Failure) bool {
	return f.Message == "not valid JSON" || f.Message == "not valid UTF-8"
}
