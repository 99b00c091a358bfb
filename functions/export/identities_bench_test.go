package export_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/functions/export"
	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/request"
	"github.com/lethe-analytics/lethe/shared/topology"
)

// BenchmarkExportPersonOfManyIdentities exports a person of many identities, one in
// twenty of which has an event. Documents read and written tell how the work grows. Time
// does not: a query costs the emulator as much as there are documents in all. So the
// baseline makes the same queries with the Firestore client: of the identities, of the
// chunks of each, and of the requests that name them.
func BenchmarkExportPersonOfManyIdentities(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) { benchmarkIdentities(b, n) })
	}
}

func benchmarkIdentities(b *testing.B, n int) {
	w := newWorld(b, 25*time.Second, time.Minute)
	var meter local.Meter
	w.worker = export.NewWorker(w.config, meter.Firestore(b, w.config.Config, topology.DefaultDatabase), w.bucket, nil,
		request.Publishers{Tasks: queue.NewPublisher(w.ps, topology.TopicExports, 30*time.Second)})
	bulk := w.Default.BulkWriter(b.Context())
	root := w.personKey("user")
	w.fillPerson(bulk, "user", person.Doc{Joined: true, Identified: "links"}, 1)
	want := 1
	for i := range n - 1 {
		events := 0
		if i%20 == 0 {
			events = 1
		}
		want += events
		w.fillPerson(bulk, fmt.Sprint("$device:", i), person.Doc{Link: &person.Link{To: root, By: "token", Event: "$identify", Received: received}}, events)
	}
	bulk.End()
	for b.Loop() {
		meter.Reads.Store(0)
		meter.Writes.Store(0)
		peak := watchHeap(b)
		began := time.Now()
		asked := w.ask(`{"distinct_ids":["user"]}`)
		slices, position := 0, 0
		for {
			slices++
			r := w.slice(asked.ID)
			position = max(position, len(r.Position))
			if r.Status.Final() {
				break
			}
		}
		took, heap := time.Since(began), peak()
		if e := w.until(asked.ID, request.Done); e.Contents.Events != want {
			b.Fatalf("got %d events, want %d", e.Contents.Events, want)
		}
		began = time.Now()
		if read := w.readIdentities(b, root); read != want {
			b.Fatalf("got %d events, want %d", read, want)
		}
		reading := time.Since(began)
		b.ReportMetric(float64(meter.Reads.Load())/float64(n), "reads/identity")
		b.ReportMetric(float64(meter.Writes.Load())/float64(n), "writes/identity")
		b.ReportMetric(took.Seconds()*1000/float64(n), "ms/identity")
		b.ReportMetric(took.Seconds()/reading.Seconds(), "x-reading")
		b.ReportMetric(float64(slices), "slices")
		b.ReportMetric(float64(position), "position-bytes")
		b.ReportMetric(heap, "peak-heap-MB")
	}
}

// readIdentities reads all of a person's identities and counts their events.
func (w *world) readIdentities(b *testing.B, root person.Key) (events int) {
	s, err := person.Find(person.Reader(b.Context(), w.Default), w.Default, w.Project.ID, root)
	if err != nil {
		b.Fatal(err)
	}
	var keys []person.Key
	for m, err := range person.Members(b.Context(), w.Default, w.Project.ID, s.Person, false) {
		if err != nil {
			b.Fatal(err)
		}
		keys = append(keys, m.Key)
		for d, err := range chunk.PersonDaysOnward(b.Context(), w.Default, w.Project.ID, m.Key, "0000-01-01", "9999-12-31") {
			if err == nil {
				err = d.Events(func(*event.Event) error { events++; return nil })
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	if _, err := request.Of(b.Context(), w.Default, w.Project.ID, keys...); err != nil {
		b.Fatal(err)
	}
	return events
}
