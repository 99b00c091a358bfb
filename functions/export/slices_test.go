package export_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/functions/export"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/objects"
	"github.com/lethe-analytics/lethe/shared/request"
)

// An archive made in many slices, of workers that are killed, with more segments
// than are put together at once, is whole.
func TestSlices(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	w := newWorld(t, time.Nanosecond, time.Minute)
	ids, want := []string{}, map[string]int{}
	for p := range 40 {
		id := fmt.Sprint("p", p)
		ids = append(ids, fmt.Sprintf("%q", id))
		var events []event.Event
		for n := range rnd.IntN(5) {
			events = append(events, ev(id, "Seen", n, fmt.Sprintf("2025-01-%02d 00:00:00", 1+rnd.IntN(3)), `{}`))
		}
		if p == 7 {
			for n := range 1500 {
				events = append(events, ev(id, "Seen", 10+n, fmt.Sprintf("2025-01-%02d 00:00:00", 1+n/1000), fmt.Sprintf(`{"n":%d}`, rnd.Int())))
			}
		}
		want[id] = len(events)
		if len(events) > 0 {
			w.Deliver(t, w.store, events)
		}
	}
	asked := w.ask(`{"distinct_ids":[` + strings.Join(ids, ",") + `],"format":"json"}`)
	killed, far := 0, 0
	for step := 0; ; {
		var e export.Export
		if w.call(http.MethodGet, "/v1/exports/"+asked.ID, "", http.StatusOK, &e); e.Progress != nil {
			if e.Progress.Events < far || e.Progress.Stage != "reading" && e.Progress.Stage != "packing" {
				t.Errorf("%+v after %d events", e.Progress, far)
			}
			far = e.Progress.Events
		}
		r, err := request.Get(t.Context(), w.Default, w.Project.ID, asked.ID, "")
		if err != nil {
			t.Fatal(err)
		}
		if r.Status.Final() {
			break
		}
		if step = r.Step; !r.Lease.IsZero() { // a killed worker's lease would last for a minute
			if _, err := request.Ref(w.Default, w.Project.ID, asked.ID).Set(t.Context(), map[string]any{"lease": time.Time{}}, mergeAll); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := contextFor(t, rnd)
		if w.Push(ctx, t, w.worker, fmt.Appendf(nil, `{"project":"app","request":%q,"step":%d}`, asked.ID, step)) != http.StatusNoContent {
			killed++
		}
		cancel()
	}
	t.Logf("%d times killed", killed)
	if far < 1000 {
		t.Errorf("the progress told of %d events", far)
	}
	files := w.archive(w.until(asked.ID, request.Done))
	got := map[string]int{}
	for name, text := range files {
		if !strings.Contains(name, "/events-") {
			continue
		}
		var events []struct {
			Properties struct {
				ID     string `json:"distinct_id"`
				Insert string `json:"$insert_id"`
			}
		}
		if err := json.Unmarshal([]byte(text), &events); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, e := range events {
			got[e.Properties.ID]++
		}
	}
	for id, n := range want {
		if got[id] != n {
			t.Errorf("seed %d: %s has %d events, want %d", seed, id, got[id], n)
		}
	}
}

// What is stored on the same day while an archive is made moves nothing in it.
func TestExportWhileStored(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Nanosecond, time.Minute)
	deliver := func(from, to int) {
		var events []event.Event
		for n := from; n < to; n++ {
			events = append(events, ev("ann", "Seen", n, "2025-01-01 00:00:00", `{}`))
			events[n-from].Received = event.Now()
		}
		w.Deliver(t, w.store, events)
	}
	for n := 0; n < 600; n += 100 {
		deliver(n, n+100)
	}
	asked := w.ask(`{"distinct_ids":["ann"]}`)
	for step, stored := 0, false; ; step++ {
		if code := w.Push(t.Context(), t, w.worker, fmt.Appendf(nil, `{"project":"app","request":%q,"step":%d}`, asked.ID, step)); code != http.StatusNoContent {
			t.Fatal(code)
		}
		var e export.Export
		w.call(http.MethodGet, "/v1/exports/"+asked.ID, "", http.StatusOK, &e)
		if e.Status == request.Done {
			break
		}
		if !stored && e.Progress.Events > 0 && e.Progress.Events < 600 { // half of the day is written
			for n := 600; n < 620; n++ { // some come to stand before
				deliver(n, n+1)
			}
			stored = true
		}
	}
	seen := map[string]int{}
	for name, text := range w.archive(w.until(asked.ID, request.Done)) {
		for line := range strings.Lines(text) {
			var e struct {
				Properties struct {
					Insert string `json:"$insert_id"`
				}
			}
			if !strings.Contains(name, "/events-") {
				continue
			}
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatal(err)
			}
			seen[e.Properties.Insert]++
		}
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("%s is in the archive %d times", id, n)
		}
	}
	if len(seen) != 600 {
		t.Errorf("%d events, want 600", len(seen))
	}
}

// Once a person in it is erased, no archive is made.
func TestVoid(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute, time.Minute)
	asked := w.ask(`{"distinct_ids":["ann","bob"]}`)
	if _, err := request.Withdraw(t.Context(), w.Default, w.Project.ID, asked.ID); err != nil {
		t.Fatal(err)
	}
	w.work()
	if e := w.until(asked.ID, request.Failed); !strings.Contains(e.Failure, "erased") || e.URL != "" {
		t.Errorf("%+v", e)
	}
	if names, err := objects.Archive(t.Context(), w.bucket, w.Project.ID, asked.ID); err != nil || len(names) > 0 {
		t.Errorf("%v %v", names, err)
	}
	if again := w.ask(`{"distinct_ids":["ann","bob"]}`); again.ID == asked.ID {
		t.Error("the same request again is answered with the void one")
	}
}
