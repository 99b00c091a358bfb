package erase_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/request"
)

// drive erases until it is done and tells how long that took.
func (w *world) drive(body string) time.Duration {
	w.t.Helper()
	began := time.Now()
	asked := w.ask(body)
	for step := 0; ; step++ {
		if code := w.Push(context.Background(), w.t, w.worker, fmt.Appendf(nil, `{"project":"app","request":%q,"step":%d}`, asked.ID, step)); code != http.StatusNoContent {
			w.t.Fatalf("slice %d: %d", step, code)
		}
		r, err := request.Get(context.Background(), w.Default, "app", asked.ID, "")
		if err != nil {
			w.t.Fatal(err)
		}
		if r.Status == request.Done {
			return time.Since(began)
		}
	}
}

// BenchmarkErase erases persons of 200 events in four chunks, 500 in a request, and a
// person of 1,000,000 events in 20,000 chunks. The baseline of the latter is deleting
// the same chunks with the Firestore client's BulkWriter.
func BenchmarkErase(b *testing.B) {
	b.Run("persons", func(b *testing.B) {
		w := newWorld(b, 25*time.Second)
		const persons = 500
		round := 0
		for b.Loop() {
			var ids []string
			round++
			for i := range persons {
				id := fmt.Sprint("p", round, "-", i)
				ids = append(ids, fmt.Sprintf("%q", id))
				if err := local.Fill(context.Background(), w.Default, w.Project, id, 2, 2, 50); err != nil {
					b.Fatal(err)
				}
			}
			took := w.drive(`{"distinct_ids":[` + strings.Join(ids, ",") + `]}`)
			b.ReportMetric(persons/took.Seconds(), "persons/s")
		}
	})
	b.Run("million", func(b *testing.B) {
		w := newWorld(b, 25*time.Second)
		fill := func(id string) {
			if err := local.Fill(context.Background(), w.Default, w.Project, id, 400, 50, 50); err != nil {
				b.Fatal(err)
			}
		}
		for b.Loop() {
			fill("bulk")
			fill("million")
			base := w.bulkDelete("bulk")
			took := w.drive(`{"distinct_ids":["million"]}`)
			b.ReportMetric(took.Seconds(), "s")
			b.ReportMetric(took.Seconds()/base.Seconds(), "x-bulkwriter")
		}
	})
}

// BenchmarkErasePersonOfManyIdentities erases a person of that many devices, each with an
// event. The time of one identity does not grow with their number.
func BenchmarkErasePersonOfManyIdentities(b *testing.B) {
	for _, n := range []int{1_000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			w := newWorld(b, 25*time.Second)
			var total time.Duration
			for round := 0; b.Loop(); round++ {
				b.StopTimer()
				user := fmt.Sprint("user", round)
				w.fillDevices(user, n)
				b.StartTimer()
				total += w.drive(fmt.Sprintf(`{"distinct_ids":[%q]}`, user))
			}
			b.ReportMetric(float64(total.Milliseconds())/float64(b.N*n), "ms/identity")
		})
	}
}

// fillDevices stores a user of so many devices, with an event of each.
func (w *world) fillDevices(user string, n int) {
	w.t.Helper()
	ids := devices(user+"-", n)
	w.linkAll(user, person.Link{By: "token", Event: "$identify", Received: ago(time.Hour)}, ids...)
	bulk := w.Default.BulkWriter(context.Background())
	for i, id := range ids {
		for _, c := range chunk.Build(w.Project.ID, []event.Event{ev(id, "Seen", i, `{"url":"https://example.com"}`)}) {
			if _, err := bulk.Set(chunk.Ref(w.Default, w.Project.ID, w.personKey(id), c.ID), c.Doc); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	bulk.End()
}

// bulkDelete deletes a person's chunks with a BulkWriter.
func (w *world) bulkDelete(id string) time.Duration {
	w.t.Helper()
	began := time.Now()
	bulk := w.Default.BulkWriter(context.Background())
	docs := w.personRef(id).Collection("chunks").Select().Documents(context.Background())
	var jobs []*firestore.BulkWriterJob
	for snap, err := docs.Next(); err == nil; snap, err = docs.Next() {
		j, err := bulk.Delete(snap.Ref)
		if err != nil {
			w.t.Fatal(err)
		}
		jobs = append(jobs, j)
	}
	bulk.End()
	for _, j := range jobs {
		if _, err := j.Results(); err != nil {
			w.t.Fatal(err)
		}
	}
	if len(jobs) != 20_000 {
		w.t.Fatalf("%d chunks", len(jobs))
	}
	return time.Since(began)
}
