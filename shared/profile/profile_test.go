package profile_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/profile"
)

func TestOperations(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ before, op, value, after string }{
		{`{"a":1}`, "$set", `{"a":"x","b":{"c":[1]}}`, `{"a":"x","b":{"c":[1]}}`},
		{`{"a":1}`, "$set_once", `{"a":2,"b":3}`, `{"a":1,"b":3}`},
		{`{"a":1,"t":"x"}`, "$add", `{"a":2.5,"b":-1,"t":1}`, `{"a":3.5,"b":-1,"t":"x"}`},
		{`{"a":1e308}`, "$add", `{"a":1e308}`, `{"a":1e308}`},
		{`{"l":[1],"t":"x"}`, "$append", `{"l":[2],"m":"a","t":1}`, `{"l":[1,[2]],"m":["a"],"t":"x"}`},
		{`{"l":[1,"a"]}`, "$union", `{"l":["a",1.0,"b","b"],"m":[1,1]}`, `{"l":[1,"a","b"],"m":[1]}`},
		{`{"l":[1830000000000000003]}`, "$union", `{"l":[1830000000000000004,1830000000000000003.0]}`, `{"l":[1830000000000000003,1830000000000000004]}`},
		{`{"l":[1830000000000000003,1830000000000000004]}`, "$remove", `{"l":1830000000000000003}`, `{"l":[1830000000000000004]}`},
		{`{"l":[1,2,1,"1"],"t":"x"}`, "$remove", `{"l":1,"m":1,"t":"x"}`, `{"l":[2,"1"],"t":"x"}`},
		{`{"a":1,"b":2,"é":3}`, "$unset", `["a","c","\u00e9"]`, `{"b":2}`},
		{`{"a":1}`, "$delete", `true`, `{}`},
		{``, "$set", `{"q\"":1,"":2}`, `{"":2,"q\"":1}`},
	} {
		p, err := profile.Parse(c.before)
		if err != nil {
			t.Fatal(err)
		}
		p, err = profile.Apply(p, []event.Op{{Name: c.op, Value: c.value}})
		if err != nil || p.JSON() != c.after {
			t.Errorf("%s %s %s: %s, %v; want %s", c.before, c.op, c.value, p.JSON(), err, c.after)
		}
	}
}

func TestTooLargeHasNoEffect(t *testing.T) {
	t.Parallel()
	big := fmt.Sprintf(`{"big":%q}`, strings.Repeat("x", profile.MaxBytes))
	p, err := profile.Apply(profile.Profile{}, []event.Op{{Name: "$set", Value: `{"a":1}`}, {Seq: 1, Name: "$set", Value: big}, {Seq: 2, Name: "$set", Value: `{"b":1}`}})
	if err != nil || p.JSON() != `{"a":1,"b":1}` {
		t.Error(len(p.JSON()), err)
	}
}

// The limit is one of the profile's JSON, in which a name may take six times its bytes,
// and holds for lists as well. What does not fit leaves nothing behind.
func TestSizeIsThatOfTheJSON(t *testing.T) {
	t.Parallel()
	control := strings.Repeat(`\u0001`, profile.MaxBytes/10)
	long := strings.Repeat("x", profile.MaxBytes/3)
	for name, c := range map[string]struct{ before, op, value string }{
		"name":   {`{"l":[1]}`, "$set", `{"a":1,"` + control + `":1,"b` + control + `":1}`},
		"append": {fmt.Sprintf(`{"l":[%q,%q]}`, long, long), "$append", fmt.Sprintf(`{"a":1,"l":%q}`, long)},
		"union":  {fmt.Sprintf(`{"l":[%q,%q]}`, long, long), "$union", fmt.Sprintf(`{"a":[1],"l":["b",%q,"c"]}`, long+"x")},
	} {
		p, err := profile.Parse(c.before)
		if err != nil {
			t.Fatal(err)
		}
		got, err := profile.Apply(p, []event.Op{{Name: c.op, Value: c.value}, {Seq: 1, Name: "$union", Value: `{"l":["c"]}`}})
		if err != nil {
			t.Fatal(err)
		}
		if want := strings.TrimSuffix(c.before, "]}") + `,"c"]}`; got.JSON() != want {
			t.Errorf("%s: %d bytes, %.100s; want %d", name, len(got.JSON()), got.JSON(), len(want))
		}
	}
}

// A request of operations that each add to a long list costs about what it brings: by
// comparing each item with all others it would take a function for hours.
func TestLongLists(t *testing.T) {
	t.Parallel()
	const each = 100
	var ops []event.Op
	for i := range event.MaxItems / 4 {
		more := make([]string, each)
		for j := range more {
			more[j] = fmt.Sprint(i*each + j)
		}
		for _, name := range []string{"$union", "$append", "$remove", "$set_once"} {
			value := "[" + strings.Join(more, ",") + "]"
			if name == "$remove" {
				value = more[0]
			}
			ops = append(ops, event.Op{Seq: len(ops), Name: name, Value: fmt.Sprintf(`{"l":%s}`, value)})
		}
	}
	start := time.Now()
	p, err := profile.Apply(profile.Profile{}, ops)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(p["l"], ","); n < 40_000 {
		t.Errorf("%d items", n)
	}
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("took %v", took)
	}
}

// An operation that stands in two documents counts once.
func TestTwiceCountsOnce(t *testing.T) {
	t.Parallel()
	o := event.Op{Request: "r", Received: when, Name: "$add", Value: `{"a":1}`}
	other := o
	other.Seq = 1
	p, err := profile.Apply(profile.Profile{}, []event.Op{o, o, other})
	if err != nil || p.JSON() != `{"a":2}` {
		t.Error(p.JSON(), err)
	}
}

// The order of receipt decides, not the order of delivery.
func TestSort(t *testing.T) {
	t.Parallel()
	var ops []event.Op
	for i := range 50 {
		ops = append(ops, event.Op{Received: event.Millis(i / 10), Request: fmt.Sprint("r", i/5%2), Seq: i % 5 * 7, Name: "$append", Value: fmt.Sprintf(`{"l":%d}`, i)})
	}
	want, _ := profile.Apply(profile.Profile{}, ops)
	rand.Shuffle(len(ops), func(i, j int) { ops[i], ops[j] = ops[j], ops[i] })
	profile.Sort(ops)
	if got, _ := profile.Apply(profile.Profile{}, ops); got.JSON() != want.JSON() {
		t.Errorf("got %s, want %s", got.JSON(), want.JSON())
	}
}
