package report

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"runtime/metrics"
	"syscall"
	"testing"
	"time"

	"cloud.google.com/go/firestore"
	"golang.org/x/sync/errgroup"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/topology"
)

// The benchmarks count events of about 300 bytes, 50 a person and day, over 30 days.
const (
	benchDays    = 30
	benchPerDay  = 50
	benchPersons = 5000
)

var sizes = []int{100_000, 1_000_000}

// BenchmarkSegmentation is a segmentation by day with a property breakdown, through
// the handler and the Firestore emulator. BenchmarkCounter is our part of it.
func BenchmarkSegmentation(b *testing.B) {
	for _, n := range sizes {
		for _, measure := range []string{ofEvents, ofPersons} {
			b.Run(fmt.Sprintf("events=%d/%s", n, measure), func(b *testing.B) { benchSegmentation(b, n, measure) })
		}
	}
}

func benchSegmentation(b *testing.B, n int, measure string) {
	tenant := local.NewTenant(b, nil)
	var meter local.Meter
	fixture(b, tenant, n)
	handler := New(Config{Timeout: 10 * time.Minute}, tenant.Guard(b), meter.Firestore(b, tenant.Config, topology.DefaultDatabase))
	q := url.Values{"event": {"Page Viewed"}, "from": {"2026-11-01"}, "to": {"2026-11-30"}, "by": {"plan"}, "measure": {measure}}
	stop, before := samplePeak(), cpuTime(b)
	for b.Loop() {
		r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/v1/reports/segmentation?"+q.Encode(), nil)
		r.Header.Set("Authorization", "Bearer "+tenant.Key)
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, r)
		var a Segmentation
		if err := json.Unmarshal(rec.Body.Bytes(), &a); err != nil || len(a.Series) != 5 {
			b.Fatalf("%d %s", rec.Code, rec.Body)
		}
		var total int64
		for _, s := range a.Series {
			total += s.Total
		}
		if measure == ofEvents && total != int64(n) {
			b.Fatalf("%d events counted", total)
		}
	}
	b.ReportMetric(float64(stop())/(1<<20), "peak-MB")
	b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N)/float64(n), "cpu-ns/event")
	b.ReportMetric(float64(meter.Reads.Load())/float64(b.N), "docs/op")
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkCounter counts the same person-days from memory.
func BenchmarkCounter(b *testing.B) {
	const n = 100_000
	from := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	days := newSpan(from, from.AddDate(0, 0, benchDays-1), time.UTC)
	var all []*chunk.PersonDay
	for i := range n / benchPerDay {
		who, list := benchEvents(i, n)
		d := &chunk.PersonDay{Person: person.MakeKey([]byte("secret"), who)}
		for _, c := range chunk.Build("p", list) {
			d.Day = c.Day
			d.Docs = append(d.Docs, c.Doc)
		}
		all = append(all, d)
	}
	for _, measure := range []string{ofEvents, ofPersons} {
		b.Run(measure, func(b *testing.B) {
			b.ReportAllocs()
			q := question{events: []string{"Page Viewed"}, span: days, line: newTimeline(daily, days, 0, maxBuckets), measure: measure, by: "plan", limit: 50}
			for b.Loop() {
				c := newCounter(q)
				for _, d := range all {
					if err := c.personDay(d); err != nil {
						b.Fatal(err)
					}
				}
				if a := c.answer(from); len(a.Series) != 5 {
					b.Fatal(len(a.Series))
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/event")
		})
	}
}

// benchEvents makes the events of the i-th person-day of a fixture of n events;
// person-days come in the order of their days.
func benchEvents(i, n int) (who string, list []event.Event) {
	perDay := (n/benchPerDay + benchDays - 1) / benchDays
	at := time.Date(2026, 11, 1+i/perDay, 0, 0, 0, 0, time.UTC)
	who = fmt.Sprintf("user-%06d@example.com", i*7919%benchPersons)
	for j := range benchPerDay {
		list = append(list, event.Event{
			Name: "Page Viewed", DistinctID: who, InsertID: fmt.Sprintf("%08x-%04x-4000-8000-%012x", i*2654435761&0xffffffff, j, i*j), Received: 1,
			Time: event.Millis(at.Add(time.Duration(j*1000+i%1000) * time.Second).UnixMilli()),
			Properties: fmt.Sprintf(`{"$browser":"Firefox","$browser_version":%d,"$os":"Linux","$screen_height":1080,"$screen_width":1920,`+
				`"$current_url":"https://example.com/articles/%d?ref=%d","plan":%q,"duration":%d.%d,"logged_in":true,"mp_lib":"web","$lib_version":"2.56.0"}`,
				100+i%30, i*j%997, j, []string{"free", "pro", "team", "trial", "enterprise"}[(i+j)%5], j, i%10),
		})
	}
	return who, list
}

// fixture writes n events, in transactions of 50 chunks.
func fixture(b *testing.B, tenant *local.Tenant, n int) {
	db, p := tenant.Default, tenant.Project
	var g errgroup.Group
	g.SetLimit(4)
	chunks := n / benchPerDay
	for first := 0; first < chunks; first += 50 {
		g.Go(func() error {
			return db.RunTransaction(context.Background(), func(_ context.Context, tx *firestore.Transaction) error {
				for i := first; i < min(chunks, first+50); i++ {
					who, list := benchEvents(i, n)
					for _, c := range chunk.Build(p.ID, list) {
						if err := tx.Set(chunk.Ref(db, p.ID, person.MakeKey(p.Secret, who), c.ID), c.Doc); err != nil {
							return err
						}
					}
				}
				return nil
			})
		})
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
}

// cpuTime is what this process has used, in nanoseconds: the emulator's is not in it.
func cpuTime(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// samplePeak measures the largest heap until it is told to stop.
func samplePeak() (stop func() uint64) {
	runtime.GC()
	done, peak := make(chan struct{}), make(chan uint64)
	go func() {
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		var most uint64
		for {
			metrics.Read(sample)
			most = max(most, sample[0].Value.Uint64())
			select {
			case <-done:
				peak <- most
				return
			case <-tick.C:
			}
		}
	}()
	return func() uint64 { close(done); return <-peak }
}
