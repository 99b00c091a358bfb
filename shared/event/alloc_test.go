package event_test

import (
	"runtime"
	"strings"
	"testing"
	"weak"

	"github.com/lethe-analytics/lethe/shared/event"
)

// Reading and encoding a batch allocates no more often for many events than for
// few: its memory is the body's, the batch's, and that of the batch before.
func TestAllocationsDoNotGrow(t *testing.T) { // not parallel: it counts allocations
	allocs := func(n int) float64 {
		body := []byte("[" + strings.Repeat(item(`,"plan":"pro","n":1.5,"tags":["a"]`)+",", n-1) + item("") + "]")
		payload := make([]byte, 0, 2*len(body))
		return testing.AllocsPerRun(50, func() {
			got, err := event.ParseEvents(body, importRules())
			if err != nil || len(got.Events) != n {
				t.Fatal(err)
			}
			payload = payload[:0]
			for i := range got.Events {
				payload = event.AppendEvent(payload, &got.Events[i])
			}
			got.Release()
		})
	}
	few, many := allocs(50), allocs(1000)
	if many > few+5 {
		t.Errorf("%v allocations for 50 events, %v for 1,000", few, many)
	}
}

// What the next body uses of this one's memory does not keep the body itself.
func TestReleaseLetsGoOfTheBody(t *testing.T) { // not parallel: others would take the memory
	bodies := make([]weak.Pointer[byte], 10) // the pool forgets some, under the race detector
	for i := range bodies {
		bodies[i] = func() weak.Pointer[byte] {
			body := []byte(item(`,"a":{"b":1,"c":"\u0061","\u0064":2},"e":["f"]`))
			got, err := event.ParseEvents(body, importRules())
			if err != nil || len(got.Events) != 1 {
				t.Fatal(err)
			}
			got.Release()
			return weak.Make(&body[0])
		}()
	}
	runtime.GC()
	kept := 0
	for _, b := range bodies {
		if b.Value() != nil {
			kept++
		}
	}
	if kept > 0 {
		t.Errorf("%d of %d bodies are kept", kept, len(bodies))
	}
}
