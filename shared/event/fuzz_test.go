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
		item("") + "\n{\n" + item(""), `[{"event":"\ud800"}]`, "[[[[", `{"event":"x","properties":{"time":1e99}}`,
		item(`,"t\u006fken":1`), `{"event":"x","properties":{"t\u006fken":1}}`} {
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
		// The parser's own scanner and jsontext agree on what is JSON.
		if valid := jsontext.Value(bytes.TrimSpace(body)).IsValid(jsontext.AllowDuplicateNames(true)); !ndjson && valid != !slices.ContainsFunc(got.Failures, syntax) {
			t.Fatalf("%q: valid %v, failures %+v", body, valid, got.Failures)
		}
		for _, e := range got.Events {
			var props map[string]any
			if err := json.Unmarshal([]byte(e.Properties), &props); err != nil {
				t.Fatalf("%q: %v", e.Properties, err)
			}
			for _, own := range []string{"token", "time", "distinct_id", "$insert_id"} {
				if _, kept := props[own]; kept {
					t.Fatalf("%q is kept as a property: %s", own, e.Properties)
				}
			}
			if e.Name == "" || e.InsertID == "" || event.IsNobody(e.DistinctID) || e.Time < event.Earliest || len(props) > event.MaxProperties ||
				!utf8.ValidString(e.Name) || utf8.RuneCountInString(e.Name) > event.MaxString {
				t.Fatalf("accepted: %+v", e)
			}
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
			if o.DistinctID == "" || o.Request == "" || !json.Valid([]byte(o.Value)) {
				t.Fatalf("accepted: %+v", o)
			}
		}
	})
}

// syntax tells the failures of an item that is not JSON.
func syntax(f event.Failure) bool {
	return f.Message == "not valid JSON" || f.Message == "not valid UTF-8" || f.Message == "half of a surrogate pair"
}
