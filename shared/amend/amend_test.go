package amend_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/shared/amend"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/fault"
)

var t0 = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)

func at(ms int) time.Time { return t0.Add(time.Duration(ms) * time.Millisecond) }

func received(ms int) event.Millis { return event.Millis(at(ms).UnixMilli()) }

func compile(t testing.TB, as ...amend.Amendment) *amend.Set {
	t.Helper()
	s, err := amend.Compile(as)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func ev(props string) event.Event {
	return event.Event{Name: "Seen", DistinctID: "ann", InsertID: "i1", Time: received(0), Received: received(5), Properties: props}
}

func TestEvent(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		as            []amend.Amendment
		before, after string // empty after: dropped
	}{
		"drop":              {[]amend.Amendment{{Properties: []string{"b"}}}, `{"a":1,"b":2,"c":3}`, `{"a":1,"c":3}`},
		"drop all":          {[]amend.Amendment{{Properties: []string{"a", "b"}}}, `{"a":1,"b":2}`, `{}`},
		"drop none":         {[]amend.Amendment{{Properties: []string{"x"}}}, `{"a" : 1.50}`, `{"a" : 1.50}`},
		"values as written": {[]amend.Amendment{{Properties: []string{"b"}}}, `{"a":1.50e1,"b":2,"c":"\u0061\/"}`, `{"a":1.50e1,"c":"\u0061\/"}`},
		"top level only":    {[]amend.Amendment{{Properties: []string{"b"}}}, `{"a":{"b":1},"b":2,"c":[{"b":3}]}`, `{"a":{"b":1},"c":[{"b":3}]}`},
		"odd names":         {[]amend.Amendment{{Properties: []string{"a.b", "$c", `d"e`, `f\g`, "é☕"}}}, `{"a.b":1,"a":{"b":2},"$c":3,"d\"e":4,"f\\g":5,"\u00e9☕":6}`, `{"a":{"b":2}}`},
		"escaped name":      {[]amend.Amendment{{Properties: []string{"a"}}}, `{"\u0061":1,"b":2}`, `{"b":2}`},
		"name as escaped":   {[]amend.Amendment{{Properties: []string{`\u0061`}}}, `{"\u0061":1,"b":2}`, `{"\u0061":1,"b":2}`},
		"event":             {[]amend.Amendment{{Events: []string{"Other", "Seen"}}}, `{"a":1}`, ``},
		"other event":       {[]amend.Amendment{{Events: []string{"Other", "seen"}}}, `{"a":1}`, `{"a":1}`},
		"profile alone":     {[]amend.Amendment{{Profile: []string{"a"}}}, `{"a":1}`, `{"a":1}`},
		"set":               {[]amend.Amendment{{Set: `{"a":"x","b.c":[1]}`}}, `{"a":1,"z":2}`, `{"a":"x","z":2,"b.c":[1]}`},
		"set escaped":       {[]amend.Amendment{{Set: `{"\u0061":2}`}}, `{"a":1,"\u0062":2}`, `{"a":2,"\u0062":2}`},
		"set in empty":      {[]amend.Amendment{{Set: `{"q\"":1}`}}, `{}`, `{"q\"":1}`},
		"where":             {[]amend.Amendment{{Where: `properties["a"] == 1`, Set: `{"a":2}`}}, `{"a":1}`, `{"a":2}`},
		"where not":         {[]amend.Amendment{{Where: `properties["a"] == 2`, Set: `{"a":3}`}}, `{"a":1}`, `{"a":1}`},
		"where exactly":     {[]amend.Amendment{{Where: `properties["a"] == 1830000000000000003`, Set: `{"a":2}`}}, `{"a":1830000000000000003}`, `{"a":2}`},
		"where not, nearly": {[]amend.Amendment{{Where: `properties["a"] in [1830000000000000003]`, Set: `{"a":3}`}}, `{"a":1830000000000000004}`, `{"a":1830000000000000004}`},
		"where own fields":  {[]amend.Amendment{{Where: `properties["distinct_id"] == "ann" and properties["$insert_id"] == "i1" and properties["time"] == 1795168800`, Set: `{"a":3}`}}, `{"a":1}`, `{"a":3}`},
		"too early":         {[]amend.Amendment{{At: at(4), Set: `{"a":3}`}, {At: at(4), Properties: []string{"a"}}, {At: at(4), Events: []string{"Seen"}}}, `{"a":1}`, `{"a":1}`},
		"same moment":       {[]amend.Amendment{{At: at(5), Set: `{"a":3}`}}, `{"a":1}`, `{"a":3}`},
		"in order of time":  {[]amend.Amendment{{At: at(8), Set: `{"a":8}`}, {At: at(6), Set: `{"a":6}`}, {At: at(7), Properties: []string{"a"}}}, `{"a":1}`, `{"a":8}`},
	} {
		for i := range c.as {
			if c.as[i].At.IsZero() {
				c.as[i].At = at(9)
			}
		}
		s := compile(t, c.as...)
		e := ev(c.before)
		keep, changed, err := s.Event(&e)
		if err != nil || keep != (c.after != "") || changed != (c.after != c.before) || keep && e.Properties != c.after {
			t.Errorf("%s: %s, %v %v %v", name, e.Properties, keep, changed, err)
		}
		if !keep {
			continue
		}
		if marked := e.Amended > 0; marked != changed {
			t.Errorf("%s: marked %v", name, marked)
		}
		if _, again, err := s.Event(&e); again || err != nil || e.Properties != c.after {
			t.Errorf("%s: again: %s, %v", name, e.Properties, err)
		}
	}
}

// An event passes each amendment once, also where one makes the condition of
// another true, and whether they come one by one or together.
func TestOnce(t *testing.T) {
	t.Parallel()
	// Swaps x and y.
	as := []amend.Amendment{
		{At: at(6), Where: `properties["s"] == "x"`, Set: `{"s":"-"}`},
		{At: at(7), Where: `properties["s"] == "y"`, Set: `{"s":"x"}`},
		{At: at(8), Where: `properties["s"] == "-"`, Set: `{"s":"y"}`},
	}
	for before, after := range map[string]string{`{"s":"x"}`: `{"s":"y"}`, `{"s":"y"}`: `{"s":"x"}`} {
		together, single := ev(before), ev(before)
		for range 3 {
			if _, _, err := compile(t, as...).Event(&together); err != nil {
				t.Fatal(err)
			}
		}
		for n := range as {
			if _, _, err := compile(t, as[:n+1]...).Event(&single); err != nil {
				t.Fatal(err)
			}
		}
		if together.Properties != after || single.Properties != after {
			t.Errorf("%s: %+v %+v", before, together, single)
		}
	}
}

// New values that an event has no room for leave it as it was, and are counted.
func TestNoRoom(t *testing.T) {
	t.Parallel()
	var props []string
	for i := range event.MaxProperties {
		props = append(props, fmt.Sprintf(`"p%d":%d`, i, i))
	}
	full := "{" + strings.Join(props, ",") + "}"
	big := `{"a":"` + strings.Repeat("x", event.MaxBytes-20) + `"}`
	s := compile(t, amend.Amendment{At: at(9), Set: `{"new":"0123456789"}`})
	for _, text := range []string{full, big} {
		e := ev(text)
		if keep, changed, err := s.Event(&e); !keep || changed || err != nil || e.Properties != text {
			t.Errorf("%v %v %v", keep, changed, err)
		}
	}
	if s.Unfit() != 2 {
		t.Error(s.Unfit())
	}
	e := ev(full)
	if _, changed, err := compile(t, amend.Amendment{At: at(9), Set: `{"p7":"y"}`}).Event(&e); !changed || err != nil || !strings.Contains(e.Properties, `"p7":"y"`) {
		t.Error("a value that takes another's place has room")
	}
}

func TestOp(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, before, after string
		keep                bool
	}{
		{"$set", `{"a":1,"b":2}`, `{"b":2}`, true}, {"$set", `{"a":1,"p":2}`, `{}`, false}, {"$set", `{"b":2}`, `{"b":2}`, true}, {"$set", `{}`, `{}`, true},
		{"$add", `{"\u0061":1,"b":2}`, `{"b":2}`, true}, {"$union", `{"p":[1]}`, `{}`, false},
		{"$unset", `["a","b","\u0070"]`, `["b"]`, true}, {"$unset", `["a"]`, `[]`, false}, {"$unset", `[]`, `[]`, true},
		{"$delete", `true`, `true`, true},
	} {
		s := compile(t, amend.Amendment{At: at(9), Request: "r", Properties: []string{"a"}}, amend.Amendment{At: at(8), Request: "q", Profile: []string{"p"}},
			amend.Amendment{At: at(7), Events: []string{"$set"}}, amend.Amendment{At: at(7), Set: `{"b":9}`})
		o := event.Op{Name: c.name, Value: c.before, Received: received(5)}
		keep, changed, err := s.Op(&o)
		if err != nil || keep != c.keep || changed != (c.before != c.after) || o.Value != c.after {
			t.Errorf("%s %s: %s %v %v %v", c.name, c.before, o.Value, keep, changed, err)
		}
		if keep, changed, err = s.Op(&o); changed || err != nil {
			t.Errorf("%s: again: %v %v %v", c.before, keep, changed, err)
		}
		for _, o := range []event.Op{{Received: received(10)}, {Received: received(9), Request: "r"}} {
			o.Name, o.Value = c.name, c.before
			if keep, changed, err := s.Op(&o); !keep || changed || err != nil {
				t.Errorf("%s: of later, or of the request itself: %v %v", c.before, changed, err)
			}
		}
	}
}

func TestAdd(t *testing.T) {
	t.Parallel()
	var all []amend.Amendment
	for i := range amend.MaxLive {
		var when time.Time
		var err error
		if all, when, err = amend.Add(all, t0.Add(300*time.Microsecond), fmt.Sprint("r", i), []amend.Amendment{{Profile: []string{"a"}}}); err != nil {
			t.Fatal(err)
		}
		if want := at(i); !when.Equal(want) || !all[i].At.Equal(want) || all[i].Request != fmt.Sprint("r", i) {
			t.Fatalf("%v, want %v", when, want)
		}
	}
	again, when, err := amend.Add(all, t0, "r3", []amend.Amendment{{Profile: []string{"b"}}})
	if err != nil || len(again) != len(all) || !when.Equal(at(3)) {
		t.Error("the same request again:", len(again), when, err)
	}
	for name, a := range map[string]amend.Amendment{
		"number": {Profile: []string{"a"}}, "text": {Where: strings.Repeat("x", amend.MaxText)}, "values": {Set: strings.Repeat("x", amend.MaxSet+1)},
	} {
		have := all
		if name != "number" {
			have = all[:3]
		}
		if _, _, err := amend.Add(have, t0, "new", []amend.Amendment{a}); fault.Of(err) != fault.Conflict {
			t.Errorf("%s: %v", name, err)
		}
		later := t0.Add(amend.Keep + time.Second)
		if got, when, err := amend.Add(have[:1], later, "new", []amend.Amendment{{Profile: []string{"a"}}}); err != nil || len(got) != 1 || !when.Equal(later) {
			t.Errorf("%s: after a month: %d, %v", name, len(got), err)
		}
	}
	if len(all) != amend.MaxLive || all[0].Request != "r0" {
		t.Error("Add changed its input")
	}
}

func TestReach(t *testing.T) {
	t.Parallel()
	as := []amend.Amendment{{At: at(5)}, {At: at(2)}}
	for ms, want := range map[int]bool{1: true, 5: true, 6: false} {
		if amend.Reach(as, at(ms)) != want {
			t.Error(ms)
		}
	}
}

func TestCheckSet(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ä", event.MaxString)
	for set, want := range map[string]string{
		`{ "a" : 1.0 , "b.c" : {"d": [1, 2]} }`: `{"a":1.0,"b.c":{"d":[1,2]}}`,
		`{"a":"` + long + `x"}`:                 `{"a":"` + long + `"}`,
		`{"$name":null}`:                        `{"$name":null}`,
	} {
		if got, _, err := amend.CheckSet("f", set); got != want || err != nil {
			t.Errorf("%s: %s, %v", set, got, err)
		}
	}
	var many []string
	for i := range event.MaxProperties + 1 {
		many = append(many, fmt.Sprintf(`"p%d":1`, i))
	}
	for _, bad := range []string{
		`{}`, `[]`, `1`, `null`, `"x"`, `{"token":1}`, `{"time":1}`, `{"\u0074ime":1}`, `{"distinct_id":"x"}`, `{"$insert_id":"x"}`, `{"mp_processing_time_ms":1}`, `{"$lethe_ms":1}`,
		`{"a":[[[[1]]]]}`, `{"a":1,"a":2}`, `{"a":1e999}`, "{" + strings.Join(many, ",") + "}",
	} {
		if _, _, err := amend.CheckSet("events[3].set", bad); fault.Of(err) != fault.Invalid || !strings.HasPrefix(err.Error(), "invalid: events[3].set: ") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// Dropping properties comes to what encoding/json makes of it.
func FuzzDrop(f *testing.F) {
	f.Add(`{"a":1,"b":{"a":2}}`, "a", "b")
	f.Add(`{"\u0061.\"":[1,{}],"$b":null}`, `a."`, "$b")
	f.Add(`{"é":1e3,"\ud83d\ude00":""}`, "😀", "é")
	f.Fuzz(func(t *testing.T, text, one, two string) {
		parsed, err := event.ParseEvents([]byte(`{"event":"e","properties":`+text+`}`), event.Rules{Now: received(5)})
		if err != nil || len(parsed.Events) != 1 {
			return
		}
		e := parsed.Events[0]
		want := object(t, e.Properties)
		before := slices.Sorted(maps.Keys(want))
		delete(want, one)
		delete(want, two)
		keep, changed, err := compile(t, amend.Amendment{At: at(5), Properties: []string{one, two}}).Event(&e)
		if err != nil || !keep || changed != (len(want) < len(before)) {
			t.Fatalf("%q: %v %v %v", text, keep, changed, err)
		}
		if got := object(t, e.Properties); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %s, want %v", text, e.Properties, want)
		}
	})
}

func object(t *testing.T, text string) map[string]string {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	out := map[string]string{}
	for k, v := range raw {
		out[k] = string(v)
	}
	return out
}

// What is erased goes out of what once set it; the rest stays as it is.
func TestWithout(t *testing.T) {
	t.Parallel()
	as := []amend.Amendment{
		{At: at(10), Request: "a", Set: `{"email":"SECRET","a.b":1}`, Where: `properties["x"] == 1`},
		{Request: "b", Set: `{"email":"SECRET"}`, Where: `properties["email"] == "SECRET"`},
		{Request: "c", Set: `{"plan":"pro"}`},
		{At: at(10), Request: "d", Properties: []string{"email"}},
	}
	want := []amend.Amendment{{At: at(10), Request: "a", Set: `{"a.b":1}`, Where: `properties["x"] == 1`}, {Request: "b"}, as[2], as[3]}
	got, err := amend.Without(as, []string{"email"})
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v %v, want %+v", got, err, want)
	}
	if !strings.Contains(as[0].Set, "SECRET") {
		t.Error("the list that was given has changed")
	}
	e := ev(`{"email":"x","x":1}`)
	if keep, _, err := compile(t, got...).Event(&e); err != nil || !keep || e.Properties != `{"x":1,"a.b":1}` {
		t.Errorf("%v %s %v", keep, e.Properties, err)
	}
}
