package event_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lethe-analytics/lethe/shared/event"
)

// comesBack holds that an event that is exported and imported again is the same event.
func comesBack(t *testing.T, e *event.Event) {
	t.Helper()
	for name, form := range map[string]event.TimeForm{"seconds": event.Seconds, "milliseconds": event.Milliseconds} {
		line := event.AppendExport(nil, e, form)
		got, err := event.ParseEvents(line, importRules())
		if err != nil || len(got.Failures) > 0 || len(got.Events) != 1 {
			t.Errorf("%s: %.1000s is not taken back: %v, %+v", name, line, err, got)
			continue
		}
		want := *e
		want.Received, want.OptIn, want.Amended = now, false, 0
		if got.Events[0] != want {
			t.Errorf("%s: %.1000s comes back as %+v, want %+v", name, line, got.Events[0], want)
		}
	}
}

// TestExportComesBack sends events as SDKs do, exports them, and imports the export.
func TestExportComesBack(t *testing.T) {
	t.Parallel()
	many := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"p%d":1`, i)
		}
		return b.String()
	}
	large := `{"event":"x","properties":{"token":"t"`
	for i := 0; len(large) < event.MaxBytes-5000; i++ {
		large += fmt.Sprintf(`,"l%d":["%s"]`, i, strings.Repeat(strings.Repeat("x", 255)+`","`, 16))
	}
	large += `,"` + strings.Repeat("z", event.MaxBytes-len(large)-len(`,"":1}}`)) + `":1}}`
	for name, sent := range map[string]string{
		"nothing but a name":  `{"event":"x","properties":{}}`,
		"whole second":        `{"event":"x","properties":{"distinct_id":"ann","time":1795400000,"$insert_id":"A-1"}}`,
		"milliseconds":        `{"event":"x","properties":{"distinct_id":"ann","time":1795400000007,"$insert_id":"A-1"}}`,
		"fraction":            `{"event":"x","properties":{"distinct_id":"ann","time":1795400000.9994}}`,
		"id of a number":      `{"event":"x","properties":{"distinct_id":12.50}}`,
		"names to be escaped": `{"event":"a\"\\b\u2028☕","properties":{"distinct_id":"<é>\\","a\"\\":{"b":[1e3,"\n\u0000"]}}}`,
		"said by another":     `{"event":"x","properties":{"mp_processing_time_ms":5,"$lethe_ms":5,"time":1795400000,"a":1}}`,
		"254 properties":      `{"event":"x","properties":{"token":"t"` + many(253) + `}}`,
		"254 without token":   `{"event":"x","properties":{` + many(254)[1:] + `}}`,
		"a million bytes":     large,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := event.ParseEvents([]byte(sent), event.Rules{Now: now, Nonce: "0123456789abcdef0123-"})
			if err != nil || len(got.Events) != 1 {
				t.Fatalf("not taken: %v %+v", err, got)
			}
			comesBack(t, &got.Events[0])
		})
	}
}

// TestExportForms shows each form of the time.
func TestExportForms(t *testing.T) {
	t.Parallel()
	e := event.Event{Name: "Paid", DistinctID: "ann", InsertID: "i", Time: 1795400000123, Received: 9, Properties: `{"a":1}`}
	whole := e
	whole.Time, whole.Properties = 1795400000000, `{}`
	processed := e
	processed.Properties = `{"mp_processing_time_ms":5}`
	const rest = `,"distinct_id":"ann","$insert_id":"i","mp_processing_time_ms":9`
	for _, c := range []struct {
		name string
		e    event.Event
		form event.TimeForm
		want string
	}{
		{"seconds", e, event.Seconds, `{"event":"Paid","properties":{"time":1795400000,"$lethe_ms":123` + rest + `,"a":1}}`},
		{"a whole second", whole, event.Seconds, `{"event":"Paid","properties":{"time":1795400000` + rest + `}}`},
		{"milliseconds", e, event.Milliseconds, `{"event":"Paid","properties":{"time":1795400000123` + rest + `,"a":1}}`},
		{"without the rest", e, event.WholeSeconds, `{"event":"Paid","properties":{"time":1795400000` + rest + `,"a":1}}`},
		{"a property of a name that is added", processed, event.Milliseconds, `{"event":"Paid","properties":{"time":1795400000123,"distinct_id":"ann","$insert_id":"i","mp_processing_time_ms":5}}`},
	} {
		if got := string(event.AppendExport(nil, &c.e, c.form)); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, c.want)
		}
	}
}

// TestRest reads the milliseconds beyond a whole second, which cannot lead into another.
func TestRest(t *testing.T) {
	t.Parallel()
	for members, want := range map[string]event.Millis{
		`"time":1795400000,"$lethe_ms":123`:            1795400000123,
		`"$lethe_ms":999,"time":1795400000`:            1795400000999,
		`"time":1795400000,"$lethe_ms":0`:              1795400000000,
		`"time":1795400000000,"$lethe_ms":1`:           1795400000001,
		`"time":1795400000005,"$lethe_ms":123`:         1795400000005, // has milliseconds already
		`"time":1795400000.5,"$lethe_ms":123`:          1795400000500,
		`"time":1795400000,"mp_processing_time_ms":{}`: 1795400000000,
	} {
		got, err := event.ParseEvents([]byte(`{"event":"x","properties":{"distinct_id":"a","$insert_id":"i",`+members+`}}`), importRules())
		if err != nil || len(got.Events) != 1 || got.Events[0].Time != want || got.Events[0].Properties != "{}" {
			t.Errorf("%s: got %+v, %v; want %d", members, got, err, want)
		}
	}
	for _, bad := range []string{"1000", "-1", "1.5", `"5"`, "null", "1e2", "[]", "65536"} {
		got, err := event.ParseEvents([]byte(item(`,"$lethe_ms":`+bad)), importRules())
		if err != nil || len(got.Failures) != 1 || got.Failures[0].Field != "properties.$lethe_ms" {
			t.Errorf("%s: got %+v, %v; want a failure of properties.$lethe_ms", bad, got, err)
		}
	}
	// What an export adds does not hide a name that stands twice.
	var names strings.Builder
	for i := range 253 {
		fmt.Fprintf(&names, `,"p%d":1`, i)
	}
	got, err := event.ParseEvents([]byte(item(`,"mp_processing_time_ms":1`+names.String()+`,"p252":2`)), importRules())
	if err != nil || len(got.Failures) != 1 || !strings.Contains(got.Failures[0].Message, "twice") {
		t.Errorf("a name that stands twice: got %+v, %v", got, err)
	}
}
