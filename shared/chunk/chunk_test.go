package chunk_test

import (
	"crypto/rand"
	"fmt"
	"testing"

	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/event"
)

const day = 24 * 60 * 60 * 1000

func ev(i int, t event.Millis) event.Event {
	return event.Event{Name: "Seen", DistinctID: "ann", InsertID: fmt.Sprint("i", i), Time: t, Received: 100, Properties: `{"a":1}`}
}

func read(t *testing.T, docs ...chunk.Chunk) []event.Event {
	t.Helper()
	d := chunk.PersonDay{}
	for _, c := range docs {
		d.Docs = append(d.Docs, c.Doc)
	}
	var got []event.Event
	if err := d.Events(func(e *event.Event) error { got = append(got, *e); return nil }); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestBuildCutsByDay(t *testing.T) {
	t.Parallel()
	const t0 = 20_000 * day
	chunks := chunk.Build("p", []event.Event{ev(1, t0+day), ev(2, t0), ev(3, t0+day-1), ev(4, t0+2*day-1), ev(2, t0)})
	if len(chunks) != 2 || chunks[0].Day != "2024-10-04" || chunks[0].Count != 2 || chunks[1].Day != "2024-10-05" || chunks[1].Count != 2 {
		t.Fatalf("%+v", chunks)
	}
	if got := read(t, chunks[0]); got[0].InsertID != "i2" || got[1].InsertID != "i3" {
		t.Errorf("%+v", got)
	}
	if len(chunk.Build("p", nil)) != 0 {
		t.Error("no events make no chunk")
	}
}

// What is delivered or sent again overwrites itself; what has been corrected
// does not, so that an old delivery cannot undo it.
func TestChunkID(t *testing.T) {
	t.Parallel()
	id := func(change func(*event.Event)) string {
		e := ev(1, day*20_000)
		change(&e)
		return chunk.Build("p", []event.Event{e})[0].ID
	}
	same := id(func(*event.Event) {})
	if again := id(func(e *event.Event) { e.Received = 7; e.OptIn = true }); again != same {
		t.Error("the receipt must not change the id")
	}
	for i, change := range []func(*event.Event){
		func(e *event.Event) { e.Name = "Seenx" }, func(e *event.Event) { e.InsertID = "i2" },
		func(e *event.Event) { e.Properties = `{}` }, func(e *event.Event) { e.Time++ },
		func(e *event.Event) { e.DistinctID, e.InsertID = "anni", "1" },
	} {
		if id(change) == same {
			t.Errorf("change %d must change the id", i)
		}
	}
}

func TestLatestWins(t *testing.T) {
	t.Parallel()
	with := func(i int, received event.Millis, props string) event.Event {
		e := ev(i, day*20_000)
		e.Received, e.Properties = received, props
		return e
	}
	one := chunk.Build("p", []event.Event{with(1, 5, `{"v":5}`), with(1, 9, `{"v":9}`), with(1, 7, `{"v":7}`)})
	if got := read(t, one...); len(got) != 1 || got[0].Properties != `{"v":9}` {
		t.Errorf("in one batch: %+v", got)
	}
	a := chunk.Build("p", []event.Event{with(1, 5, `{"v":5}`), with(2, 9, `{}`)})
	b := chunk.Build("p", []event.Event{with(1, 7, `{"v":7}`), with(3, 7, `{}`)})
	c := chunk.Build("p", []event.Event{with(1, 7, `{"v":7}`)})
	for _, order := range [][]chunk.Chunk{{a[0], b[0], c[0]}, {c[0], b[0], a[0]}, {b[0], a[0], c[0]}} {
		got := read(t, order...)
		if len(got) != 3 {
			t.Fatalf("%+v", got)
		}
		for _, e := range got {
			if e.InsertID == "i1" && e.Properties != `{"v":7}` {
				t.Errorf("across chunks: %+v", e)
			}
		}
	}
}

// Even events that do not compress stay under Firestore's limit of a document.
func TestChunksFitADocument(t *testing.T) {
	t.Parallel()
	var events []event.Event
	for i := range 12 {
		e := ev(i, day*20_000)
		n := event.MaxBytes / 10
		if i == 5 {
			n = event.MaxBytes - 200
		}
		e.Properties = `{"x":"` + rand.Text() + string(noise(n)) + `"}`
		events = append(events, e)
	}
	chunks := chunk.Build("p", events)
	for _, c := range chunks {
		if len(c.Data) > 1<<20-4096 {
			t.Errorf("a chunk of %d events has %d bytes", c.Count, len(c.Data))
		}
	}
	if got := read(t, chunks...); len(got) != len(events) || len(chunks) < 4 {
		t.Errorf("%d events in %d chunks", len(got), len(chunks))
	}
}

func noise(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	for i := range b {
		b[i] = b[i]&0x7f | 0x20
		if b[i] == '"' || b[i] == '\\' {
			b[i] = 'x'
		}
	}
	return b
}
