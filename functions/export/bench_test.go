package export_test

import (
	"fmt"
	"net/http"
	"runtime/metrics"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/request"
)

// BenchmarkExport exports a person of 1,000,000 events in 20,000 chunks. The
// baseline is reading the same chunks once with the Firestore client.
func BenchmarkExport(b *testing.B) {
	w := newWorld(b, 25*time.Second, time.Minute)
	if err := local.Fill(b.Context(), w.Default, w.Project, "million", 400, 50, 50); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		began := time.Now()
		docs := w.Default.Collection("projects/app/people/" + string(w.personKey("million")) + "/chunks").Documents(b.Context())
		n, bytes := 0, 0
		for snap, err := docs.Next(); err == nil; snap, err = docs.Next() {
			var d chunk.Doc
			if err := snap.DataTo(&d); err != nil {
				b.Fatal(err)
			}
			n++
			if err := event.Unpack(d.Data, func(e *event.Event) error { bytes += len(event.AppendJSON(nil, e)) + 1; return nil }, nil); err != nil {
				b.Fatal(err)
			}
		}
		reading := time.Since(began)
		if n != 20_000 {
			b.Fatalf("%d chunks", n)
		}
		peak := watchHeap(b)
		began = time.Now()
		asked := w.ask(`{"distinct_ids":["million"]}`)
		for step := 0; ; step++ {
			if code := w.Push(b.Context(), b, w.worker, fmt.Appendf(nil, `{"project":"app","request":%q,"step":%d}`, asked.ID, step)); code != http.StatusNoContent {
				b.Fatalf("slice %d: %d", step, code)
			}
			if r, err := request.Get(b.Context(), w.Default, "app", asked.ID, ""); err != nil || r.Status == request.Done {
				break
			}
		}
		took := time.Since(began)
		if e := w.until(asked.ID, request.Done); e.Contents.Events != 1_000_000 {
			b.Fatalf("%+v", e.Contents)
		}
		b.ReportMetric(float64(bytes)/1e6/took.Seconds(), "MB/s")
		b.ReportMetric(took.Seconds()/reading.Seconds(), "x-reading")
		b.ReportMetric(peak(), "peak-heap-MB")
	}
}

// watchHeap watches the memory that Go holds for objects; the function ends that and
// tells the most, in MB.
func watchHeap(b *testing.B) (peak func() float64) {
	var most atomic.Uint64
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			metrics.Read(sample)
			most.Store(max(most.Load(), sample[0].Value.Uint64()))
			select {
			case <-stop:
				return
			case <-tick.C:
			}
		}
	}()
	return func() float64 { close(stop); <-done; return float64(most.Load()) / 1e6 }
}
