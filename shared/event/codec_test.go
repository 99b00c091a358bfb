package event_test

import (
	"errors"
	"testing"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/fault"
)

func TestPayloadRoundTrip(t *testing.T) {
	t.Parallel()
	e := event.Event{Name: "Seen", DistinctID: "ann", InsertID: "i", Time: 1, Received: 2, Properties: `{"a":1}`, OptIn: true, Amended: 5}
	nobody := event.Event{Name: "Seen", Time: -1, Properties: `{}`}
	o := event.Op{DistinctID: "ann", Name: "$set", Value: `{"a":1}`, Received: 3, Request: "x", Seq: 4, OptIn: true}
	payload := event.AppendOp(event.AppendEvent(event.AppendEvent(nil, &e), &nobody), &o)
	for _, packed := range [][]byte{event.Pack(payload), event.PackFast(payload)} {
		var events []event.Event
		var ops []event.Op
		err := event.Unpack(packed,
			func(e *event.Event) error { events = append(events, *e); return nil },
			func(o *event.Op) error { ops = append(ops, *o); return nil })
		if err != nil || len(events) != 2 || events[0] != e || events[1] != nobody || len(ops) != 1 || ops[0] != o {
			t.Error(err, events, ops)
		}
		stop := errors.New("stop")
		if err := event.Unpack(packed, func(*event.Event) error { return stop }, nil); !errors.Is(err, stop) {
			t.Error("an error of the function ends it:", err)
		}
		for _, bad := range [][]byte{nil, packed[:1], packed[:len(packed)-3], append([]byte{9}, packed[1:]...)} {
			if err := event.Unpack(bad, nil, nil); fault.Of(err) != fault.Invalid {
				t.Errorf("damaged, %d bytes: %v", len(bad), err)
			}
		}
	}
}

func TestPayloadIsBounded(t *testing.T) {
	t.Parallel()
	zeros := make([]byte, event.MaxPayload+1)
	for _, bomb := range [][]byte{event.Pack(zeros), event.PackFast(zeros)} {
		if err := event.Unpack(bomb, nil, nil); fault.Of(err) != fault.Invalid {
			t.Errorf("%d bytes that unpack to %d: %v", len(bomb), len(zeros), err)
		}
	}
}

func TestLookup(t *testing.T) {
	t.Parallel()
	e := event.Event{DistinctID: `a"b`, InsertID: "i", Time: 1500, Properties: `{"pl\u0061n":"pro","n":{"x":[1]},"z":null}`}
	l := event.NewLookup("plan", "n", "none", "z", "distinct_id", "time", "$insert_id")
	for range 2 { // a Lookup serves many events
		got, err := l.In(&e)
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []string{`"pro"`, `{"x":[1]}`, ``, `null`, `"a\"b"`, `1.5`, `"i"`} {
			if string(got[i]) != want {
				t.Errorf("%d: got %s, want %s", i, got[i], want)
			}
		}
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add(event.AppendEvent(nil, &event.Event{Name: "a", Time: 1}))
	f.Add(event.AppendOp(nil, &event.Op{Name: "$set", Request: "x"}))
	f.Add([]byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, payload []byte) {
		none := func(*event.Event) error { return nil }
		_ = event.Unpack(payload, none, nil) // as it is
		_ = event.Unpack(append([]byte{2}, payload...), none, nil)
		n := 0
		err := event.Unpack(event.Pack(payload),
			func(*event.Event) error { n++; return nil }, func(*event.Op) error { n++; return nil })
		if err == nil && n > len(payload) {
			t.Errorf("%d records in %d bytes", n, len(payload))
		}
	})
}
