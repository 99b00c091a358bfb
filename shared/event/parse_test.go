package event_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/fault"
)

var now = event.Millis(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC).UnixMilli())

func importRules() event.Rules {
	return event.Rules{AnyTime: true, Complete: true, Now: now, Nonce: "n-"}
}

// item writes one event with its properties' text replaced or added to.
func item(props string) string {
	return `{"event":"Seen","properties":{"token":"tok","time":1795400000,"distinct_id":"ann","$insert_id":"i-1"` + props + `}}`
}

func TestGoodEvent(t *testing.T) {
	t.Parallel()
	body := ` [ {"event":"Sign \u0075p","ignored":[{}],"properties":{"plan" : "pro", "token":"tok","time":1795400000,
		"distinct_id":"a/b ☕","$insert_id":"i-1","nested":{"a":[1, {"b":2}]}, "n":-1.5e3}} ] `
	got, err := event.ParseEvents([]byte(body), importRules())
	if err != nil || len(got.Failures) > 0 {
		t.Fatal(err, got)
	}
	want := event.Event{Name: "Sign up", DistinctID: "a/b ☕", InsertID: "i-1", Time: 1795400000000, Received: now,
		Properties: `{"plan":"pro","nested":{"a":[1,{"b":2}]},"n":-1.5e3}`}
	if got.Events[0] != want || got.Tokens[0] != "tok" || got.Items != 1 {
		t.Errorf("got %+v %v, want %+v", got.Events[0], got.Tokens, want)
	}
}

// A name means the same however it is escaped: an id that were kept as any property
// would make the event nobody's, out of reach of the person's erasure.
func TestEscapedNames(t *testing.T) {
	t.Parallel()
	body := `{"\u0065vent":"Seen","propertie\u0073":{"t\u006fken":"tok","\u0074ime":1795400000,"distinct\u005fid":"ann","\u0024insert_id":"i-1","a\"\/\u0062":{"\u0063":1}}}`
	got, err := event.ParseEvents([]byte(body), importRules())
	if err != nil || len(got.Events) != 1 {
		t.Fatal(err, got)
	}
	want := event.Event{Name: "Seen", DistinctID: "ann", InsertID: "i-1", Time: 1795400000000, Received: now, Properties: `{"a\"/b":{"c":1}}`}
	if got.Events[0] != want || got.Tokens[0] != "tok" {
		t.Errorf("got %+v %v, want %+v", got.Events[0], got.Tokens, want)
	}
}

// Half of a surrogate pair, of which RFC 8259 leaves open what it is, costs no event: an
// app that cuts a title sends it.
func TestHalfPairs(t *testing.T) {
	t.Parallel()
	const broken = "{\"event\":\"x\xff\",\"properties\":{}}" // so that each item is read alone
	for name, c := range map[string]struct{ props, want string }{
		"value":       {`,"title":"Hello \ud83d"`, `{"title":"Hello \ufffd"}`},
		"low half":    {`,"title":"\uDE00 Hello"`, `{"title":"\ufffd Hello"}`},
		"in disorder": {`,"title":"\ude00\ud83d"`, `{"title":"\ufffd\ufffd"}`},
		"before one":  {`,"title":"\ud83d\ud83d\ude00\n"`, `{"title":"\ufffd\ud83d\ude00\n"}`},
		"a backslash": {`,"title":"\\ud83d \\\ud83d"`, `{"title":"\\ud83d \\\ufffd"}`},
		"no half":     {`,"title":"\ud83d\ude00 \ufffd"`, `{"title":"\ud83d\ude00 \ufffd"}`},
		"nested":      {`,"a":{"b":["\ud83d",{"c\ud83d":"\ud83dx"}]}`, `{"a":{"b":["\ufffd",{"c\ufffd":"\ufffdx"}]}}`},
		"name":        {`,"a\ud83d":1`, `{"a\ufffd":1}`},
		"alias":       {`,"alias":"\ud83d"`, `{"alias":"\ufffd"}`},
		"long":        {`,"title":"` + strings.Repeat(`\ud83d`, 300) + `"`, `{"title":"` + strings.Repeat(`\ufffd`, 255) + `"}`},
	} {
		one := item(c.props)
		for form, rules := range map[string]event.Rules{"array": importRules(), "ndjson": {AnyTime: true, Complete: true, NDJSON: true, Now: now}, "track": {Now: now, Nonce: "n-"}} {
			for beside, n := range map[string]int{"": 0, broken: 1} {
				body := strings.Join([]string{"[" + one, beside + "]"}, ",")
				switch {
				case rules.NDJSON:
					body = one + "\n" + beside
				case n == 0:
					body = "[" + one + "]"
				}
				sent := []byte(body)
				got, err := event.ParseEvents(sent, rules)
				if err != nil || len(got.Events) != 1 || len(got.Failures) != n {
					t.Errorf("%s, %s, %d broken: got %+v, %v", name, form, n, got, err)
					continue
				}
				if e := got.Events[0]; !sameText(e.Properties, c.want) || e.DistinctID != "ann" {
					t.Errorf("%s, %s, %d broken: got %s, want %s", name, form, n, e.Properties, c.want)
				}
				if string(sent) != body {
					t.Errorf("%s, %s: the body was changed", name, form)
				}
			}
		}
	}
	got, err := event.ParseEvents([]byte(`{"event":"Seen \ud83d","ignored":["\ud83d",{"\ud83d":1}],"properties":{"token":"tok"}}`), event.Rules{Now: now})
	if err != nil || len(got.Events) != 1 || got.Events[0].Name != "Seen \ufffd" || got.Tokens[0] != "tok" {
		t.Errorf("got %+v, %v, want the event Seen \ufffd", got, err)
	}
}

// sameText compares JSON text by its values.
func sameText(a, b string) bool {
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && reflect.DeepEqual(x, y) && utf8.ValidString(a) &&
		jsontext.Value(a).IsValid()
}

// Half of a surrogate pair costs no profile its update.
func TestHalfPairsInOps(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		`"$set":{"name":"Ann \ud83d","plan":"pro"}`: `{"name":"Ann \ufffd","plan":"pro"}`,
		`"$set":{"a\ud83d":[{"b":"\ude00"}]}`:       `{"a\ufffd":[{"b":"\ufffd"}]}`,
		`"$append":{"a":"\ud83d"}`:                  `{"a":"\ufffd"}`,
		`"$unset":["a\ud83d"]`:                      `["a\ufffd"]`,
	} {
		got, err := event.ParseOps([]byte(`{"$token":"tok","$distinct_id":"ann",`+value+`}`), event.Rules{Now: now})
		if err != nil || len(got.Ops) != 1 || !sameText(got.Ops[0].Value, want) {
			t.Errorf("%s: got %+v, %v, want %s", value, got, err, want)
		}
	}
	got, err := event.ParseOps([]byte(`{"$token":"tok","$distinct_id":"ann\ud83d","$set":{"a":1}}`), event.Rules{Now: now})
	if err != nil || len(got.Ops) != 0 || len(got.Failures) != 1 || got.Failures[0].Field != "$distinct_id" || got.Failures[0].Message != "holds half of a surrogate pair" {
		t.Errorf("got %+v, %v, want a refusal of $distinct_id", got, err)
	}
}

// Each of these events is refused for the reason of the contract, and the good
// ones around it are kept.
func TestRefusedEvents(t *testing.T) {
	t.Parallel()
	many := func(n int, f string) string {
		var b strings.Builder
		for i := range n {
			if strings.Contains(f, "%d") {
				fmt.Fprintf(&b, ","+f, i)
			} else {
				b.WriteString("," + f)
			}
		}
		return b.String()
	}
	ev := func(props string) string { return `{"event":"x","properties":{` + props + `}}` }
	for name, c := range map[string]struct{ item, field, message string }{
		"no object":             {`7`, "", "object"},
		"array":                 {`[]`, "", "object"},
		"no name":               {`{"properties":{"time":1795400000,"distinct_id":"a","$insert_id":"i"}}`, "event", "required"},
		"empty name":            {`{"event":"","properties":{}}`, "event", "empty"},
		"name of a number":      {`{"event":5,"properties":{}}`, "event", "string"},
		"NUL in name":           {`{"event":"a\u0000b","properties":{}}`, "event", "control"},
		"long name":             {`{"event":"` + strings.Repeat("é", 256) + `","properties":{}}`, "event", "255"},
		"no properties":         {`{"event":"x"}`, "properties", "object"},
		"properties a list":     {`{"event":"x","properties":[]}`, "properties", "object"},
		"no time":               {ev(`"distinct_id":"a","$insert_id":"i"`), "properties.time", "required"},
		"time a word":           {ev(`"time":"soon","distinct_id":"a","$insert_id":"i"`), "properties.time", "number"},
		"time in 1960":          {ev(`"time":-315619200,"distinct_id":"a","$insert_id":"i"`), "properties.time", "1971"},
		"time next year":        {ev(`"time":1826900000,"distinct_id":"a","$insert_id":"i"`), "properties.time", "ahead"},
		"no distinct_id":        {ev(`"time":1795400000,"$insert_id":"i"`), "properties.distinct_id", "required"},
		"distinct_id null":      {ev(`"time":1795400000,"distinct_id":null,"$insert_id":"i"`), "properties.distinct_id", "string"},
		"distinct_id nobody":    {ev(`"time":1795400000,"distinct_id":"Undefined","$insert_id":"i"`), "properties.distinct_id", "nobody"},
		"distinct_id zeros":     {ev(`"time":1795400000,"distinct_id":"00000000-0000-0000-0000-000000000000","$insert_id":"i"`), "properties.distinct_id", "nobody"},
		"distinct_id number 0":  {ev(`"time":1795400000,"distinct_id":0,"$insert_id":"i"`), "properties.distinct_id", "nobody"},
		"no insert_id":          {ev(`"time":1795400000,"distinct_id":"a"`), "properties.$insert_id", "required"},
		"insert_id of 37":       {ev(`"time":1795400000,"distinct_id":"a","$insert_id":"` + strings.Repeat("a", 37) + `"`), "properties.$insert_id", "36"},
		"insert_id with _":      {ev(`"time":1795400000,"distinct_id":"a","$insert_id":"a_b"`), "properties.$insert_id", "only"},
		"too deep":              {item(`,"a":[[[[1]]]]`), "properties.a", "nested"},
		"beyond float64":        {item(`,"a":1e400`), "properties.a", "float"},
		"beyond, in digits":     {item(`,"a":` + strings.Repeat("9", 310)), "properties.a", "float"},
		"array of 255":          {item(`,"a":[0` + many(254, "1") + `]`), "properties.a", "254"},
		"255 properties":        {item(many(251, `"p%d":1`)), "properties", "254"},
		"object of 255":         {item(`,"o":{"x":1` + many(254, `"p%d":1`) + `}`), "properties.o", "254"},
		"over 1 MB":             {item(many(200, `"p%d":[`+strings.Repeat(`"`+strings.Repeat("x", 200)+`",`, 25)+`""]`)), "", "1 MB"},
		"duplicate name":        {item(`,"a":1,"a":2`), "properties.a", "twice"},
		"duplicate, escaped":    {item(`,"a":1,"\u0061":2`), "properties.a", "twice"},
		"duplicate event":       {`{"event":"x","event":"y","properties":{"time":1795400000,"distinct_id":"a","$insert_id":"i"}}`, "event", "twice"},
		"duplicate in an array": {item(`,"a":[{"b":1},{"b":1,"b":2}]`), "properties.a.b", "twice"},
		"duplicate inside":      {item(`,"a":{"b":1,"b":2}`), "properties.a.b", "twice"},
		"invalid UTF-8":         {item(`,"a":"` + "\xff" + `"`), "properties.a", "UTF-8"},
		"half a pair as id":     {ev(`"time":1795400000,"distinct_id":"a\ud83d","$insert_id":"i"`), "properties.distinct_id", "surrogate"},
		"half a pair, as sent":  {ev(`"time":1795400000,"distinct\u005fid":"\uDE00a","$insert_id":"i"`), "properties.distinct_id", "surrogate"},
		"half in $user_id":      {item(`,"$user_id":"a\ud83d"`), "properties.$user_id", "surrogate"},
		"half in $device_id":    {item(`,"\u0024device_id":"a\ud83d"`), "properties.$device_id", "surrogate"},
		"half in $distinct_id":  {item(`,"$distinct_id":"a\ud83d"`), "properties.$distinct_id", "surrogate"},
		"half in $distinct_ids": {item(`,"$distinct_ids":["b","a\ud83d"]`), "properties.$distinct_ids", "surrogate"},
		"half in $anon_id":      {item(`,"$anon_distinct_id":"a\ud83d"`), "properties.$anon_distinct_id", "surrogate"},
		"half in $create_alias": {`{"properties":{"time":1795400000,"distinct_id":"a","$insert_id":"i","alias":"a\ud83d"},"event":"$create_alias"}`, "properties.alias", "surrogate"},
		"half and no UTF-8":     {item(`,"a":"\ud83d` + "\xff" + `"`), "properties.a", "UTF-8"},
		"names that become one": {item(`,"a\ud83d":1,"a\ud83e":2`), "properties.a\ufffd", "twice"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for form, rules := range map[string]event.Rules{"array": importRules(), "ndjson": {AnyTime: true, Complete: true, NDJSON: true, Now: now}} {
				body := "[" + item("") + "," + c.item + "," + item("") + "]"
				if rules.NDJSON {
					body = item("") + "\n" + c.item + "\n\n" + item("") + "\n"
				}
				got, err := event.ParseEvents([]byte(body), rules)
				if err != nil {
					t.Fatal(form, err)
				}
				if len(got.Events) != 2 || len(got.Failures) != 1 || got.Items != 3 || len(got.Tokens) != 2 {
					t.Fatalf("%s: %d events, failures %+v", form, len(got.Events), got.Failures)
				}
				f := got.Failures[0]
				if f.Index != 1 || f.Field != c.field || !strings.Contains(f.Message, c.message) {
					t.Errorf("%s: %+v, want field %q and a message with %q", form, f, c.field, c.message)
				}
			}
		})
	}
}

// What /track takes and /import does not: missing ids, numbers as ids, the
// receipt as time; and the other way round, an old event.
func TestTrackRules(t *testing.T) {
	t.Parallel()
	rules := event.Rules{Now: now, Nonce: "n-"}
	got, err := event.ParseEvents([]byte(`[{"event":"a","properties":{}},{"event":"b","properties":{"distinct_id":12,"time":1795400000123}},
		{"event":"c","properties":{"time":1700000000}}]`), rules)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Events) != 2 || got.Events[0].Time != now || got.Events[0].InsertID != "n-0" || got.Events[0].DistinctID != "" ||
		got.Events[1].DistinctID != "12" || got.Events[1].Time != 1795400000123 || got.Events[1].InsertID != "n-1" {
		t.Errorf("%+v", got.Events)
	}
	if len(got.Failures) != 1 || !strings.Contains(got.Failures[0].Message, "5 days") {
		t.Errorf("%+v", got.Failures)
	}
	if one, err := event.ParseEvents([]byte(`{"event":"a","properties":{}}`), rules); err != nil || len(one.Events) != 1 {
		t.Error("a single object is taken as well:", err)
	}
}

func TestLongStringsAreCut(t *testing.T) {
	t.Parallel()
	long := strings.Repeat(`\u00e9"`[:6], 300)
	got, err := event.ParseEvents([]byte("["+item(`,"a":"`+long+`","b":["`+long+`"],"c":"`+strings.Repeat("é", 255)+`"`)+"]"), importRules())
	if err != nil || len(got.Events) != 1 {
		t.Fatal(err, got)
	}
	e := strings.Repeat("é", 255)
	if want := `{"a":"` + e + `","b":["` + e + `"],"c":"` + e + `"}`; got.Events[0].Properties != want {
		t.Errorf("got %s", got.Events[0].Properties)
	}
}

func TestBadBodies(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body string
		kind fault.Kind
	}{
		"empty":               {"  ", fault.Invalid},
		"text":                {"hello", fault.Invalid},
		"cut short":           {"[" + item(""), fault.Invalid},
		"trailing":            {"[" + item("") + "] x", fault.Invalid},
		"two arrays":          {"[][]", fault.Invalid},
		"two objects":         {item("") + item(""), fault.Invalid},
		"half, no escape":     {item(`,"a":"\ud83d\x"`), fault.Invalid},
		"half, no digits":     {item(`,"a":"\ud83d\u12"`), fault.Invalid},
		"NUL":                 {"[" + item("") + ",\x00]", fault.Invalid},
		"100,000 levels":      {strings.Repeat("[", 100_000), fault.Invalid},
		"2,001 events":        {"[" + strings.Repeat(item("")+",", 2000) + item("") + "]", fault.TooLarge},
		"2,001 and a bad one": {"[" + item(`,"a":1,"a":1`) + strings.Repeat(","+item(""), 2000) + "]", fault.TooLarge},
	} {
		got, err := event.ParseEvents([]byte(c.body), importRules())
		if fault.Of(err) != c.kind || err == nil {
			t.Errorf("%s: %v, %v; want %s", name, got, err, c.kind)
		}
	}
	full, err := event.ParseEvents([]byte("["+strings.Repeat(item("")+",", 1999)+item("")+"]"), importRules())
	if err != nil || len(full.Events) != 2000 {
		t.Errorf("2,000 events: %v", err)
	}
}

func TestOps(t *testing.T) {
	t.Parallel()
	good := []string{
		`{"$token":"tok","$distinct_id":"ann","$set":{"plan":"pro","tags":["a"]},"$ip":"0"}`,
		`{"$token":"tok","$distinct_id":"ann","$add":{"n":2}}`,
		`{"$token":"tok","$distinct_id":"ann","$union":{"tags":["b"]}}`,
		`{"$token":"tok","$distinct_id":"ann","$unset":["plan", "x"]}`,
		`{"$token":"tok","$distinct_id":"ann","$delete":""}`,
	}
	got, err := event.ParseOps([]byte("["+strings.Join(good, ",")+"]"), event.Rules{Now: now, Nonce: "n-"})
	if err != nil || len(got.Ops) != len(good) || len(got.Failures) > 0 {
		t.Fatal(err, got)
	}
	if o := got.Ops[3]; o != (event.Op{DistinctID: "ann", Name: "$unset", Value: `["plan","x"]`, Received: now, Request: "n-", Seq: 3}) {
		t.Errorf("%+v", o)
	}
	for name, bad := range map[string]string{
		"no id":      `{"$token":"tok","$set":{}}`,
		"nobody":     `{"$token":"tok","$distinct_id":"null","$set":{}}`,
		"no op":      `{"$token":"tok","$distinct_id":"ann"}`,
		"two ops":    `{"$token":"tok","$distinct_id":"ann","$set":{},"$add":{}}`,
		"set list":   `{"$token":"tok","$distinct_id":"ann","$set":[]}`,
		"add text":   `{"$token":"tok","$distinct_id":"ann","$add":{"n":"1"}}`,
		"union text": `{"$token":"tok","$distinct_id":"ann","$union":{"n":"1"}}`,
		"unset map":  `{"$token":"tok","$distinct_id":"ann","$unset":{"n":"1"}}`,
		"unset ints": `{"$token":"tok","$distinct_id":"ann","$unset":[1]}`,
		"too deep":   `{"$token":"tok","$distinct_id":"ann","$set":{"a":[[[[]]]]}}`,
		"twice":      `{"$token":"tok","$distinct_id":"ann","$set":{"a":1,"a":2}}`,
		"two ids":    `{"$token":"tok","$distinct_id":"ann","$distinct_id":"bob","$set":{}}`,
		"list":       `[]`,
	} {
		got, err := event.ParseOps([]byte("["+good[0]+","+bad+"]"), event.Rules{Now: now})
		if err != nil || len(got.Ops) != 1 || len(got.Failures) != 1 {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}
