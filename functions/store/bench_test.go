package store_test

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/functions/store"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/topology"
)

// benchEvents is how many events each way of storing is given; messageEvents is
// how many ingest puts into a full message.
const (
	benchEvents   = 60_000
	messageEvents = 3_000
	workers       = 8
)

// BenchmarkStore compares the store function, delivered full messages of 1, 5, 20
// and 50 events a person, with two ways of storing one document an event, which
// have neither fence nor consent nor deduplication: BulkWriter, and commits of 500.
func BenchmarkStore(b *testing.B) {
	rate := map[string]float64{}
	run := func(name string, work func(b *testing.B) (events int, writes int64)) {
		b.Run(name, func(b *testing.B) {
			events, writes := 0, int64(0)
			for range b.N {
				b.StopTimer() // work starts it when its setup is done
				n, w := work(b)
				events, writes = events+n, writes+w
			}
			rate[name] = float64(events) / b.Elapsed().Seconds()
			b.ReportMetric(rate[name], "events/s")
			b.ReportMetric(float64(writes)/float64(events), "writes/event")
			for _, base := range []string{"bulkwriter", "commits-of-500"} {
				if r := rate[base]; r > 0 && base != name {
					b.ReportMetric(rate[name]/r, "x-"+base)
				}
			}
		})
	}
	run("bulkwriter", func(b *testing.B) (int, int64) {
		db, meter := benchDB(b)
		w := db.BulkWriter(ctx)
		var jobs []*firestore.BulkWriterJob
		const n = benchEvents / 6 // it is slow
		b.StartTimer()
		for i := range n {
			j, err := w.Create(eventRef(db, i), eventDoc(i))
			if err != nil {
				b.Fatal(err)
			}
			jobs = append(jobs, j)
		}
		w.End()
		for _, j := range jobs {
			if _, err := j.Results(); err != nil {
				b.Fatal(err)
			}
		}
		return n, meter.Writes.Load()
	})
	run("commits-of-500", func(b *testing.B) (int, int64) {
		db, meter := benchDB(b)
		b.StartTimer()
		parallel(benchEvents/500, func(k int) {
			//lint:ignore SA1019 a plain commit is the baseline, without what a transaction adds
			batch := db.Batch()
			for i := k * 500; i < (k+1)*500; i++ {
				batch.Create(eventRef(db, i), eventDoc(i))
			}
			if _, err := batch.Commit(ctx); err != nil {
				b.Error(err)
			}
		})
		return benchEvents, meter.Writes.Load()
	})
	for _, each := range []int{1, 5, 20, 50} {
		run(fmt.Sprintf("lethe-%d-a-person", each), func(b *testing.B) (int, int64) {
			s := &system{Tenant: local.NewTenant(b, nil), t: b}
			s.ps = s.OpenPubSub(b)
			var meter local.Meter
			dbs := gcp.Databases{Default: meter.Firestore(b, s.Config, topology.DefaultDatabase), Edge: s.Edge}
			s.handler = store.New(dbs, s.publisher(topology.DeadTopic(topology.TopicEvents)), s.publisher(topology.TopicLinks))
			var messages [][]byte
			for k := range benchEvents / messageEvents {
				var payload []byte
				for i := k * messageEvents; i < (k+1)*messageEvents; i++ {
					e := benchEvent(i, i/each)
					payload = event.AppendEvent(payload, &e)
				}
				messages = append(messages, payload)
			}
			b.StartTimer()
			parallel(len(messages), func(k int) { s.deliver(messages[k]) })
			return benchEvents, meter.Writes.Load()
		})
	}
}

func benchDB(b *testing.B) (*firestore.Client, *local.Meter) {
	tenant := local.NewTenant(b, nil)
	var meter local.Meter
	return meter.Firestore(b, tenant.Config, topology.DefaultDatabase), &meter
}

// parallel calls work for 0 to n-1, a few at a time.
func parallel(n int, work func(int)) {
	next := make(chan int)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for k := range next {
				work(k)
			}
		})
	}
	for k := range n {
		next <- k
	}
	close(next)
	wg.Wait()
}

func benchEvent(i, who int) event.Event {
	return event.Event{Name: "Page viewed", DistinctID: fmt.Sprint("user-", who), InsertID: fmt.Sprintf("%032x", i),
		Time: t0 + event.Millis(i%1000), Received: t0,
		Properties: fmt.Sprintf(`{"$browser":"Chrome","$os":"Linux","plan":"pro","url":"https://example.com/pricing?x=%d","amount":%d.5,"screen_height":1080}`, i, i)}
}

func eventRef(db *firestore.Client, i int) *firestore.DocumentRef {
	return db.Doc(fmt.Sprintf("projects/app/events/%032x", i))
}

// eventDoc is an event as a document of its own, fields and all.
func eventDoc(i int) map[string]any {
	e := benchEvent(i, i)
	doc := map[string]any{}
	if err := json.Unmarshal([]byte(e.Properties), &doc); err != nil {
		panic(err) // the text is ours
	}
	doc["event"], doc["distinct_id"], doc["insert_id"], doc["time"] = e.Name, e.DistinctID, e.InsertID, e.Time.Time()
	return doc
}
