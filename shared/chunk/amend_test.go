package chunk_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/shared/amend"
	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
)

// amended is the time of the tests' amendments, in milliseconds.
const amended = 1000

// set puts amendments on a person's document.
func set(t *testing.T, n *local.Tenant, key person.Key, as ...amend.Amendment) *amend.Set {
	t.Helper()
	for i := range as {
		as[i].At = event.Millis(amended).Time()
	}
	return stand(t, n, key, as)
}

func stand(t *testing.T, n *local.Tenant, key person.Key, as []amend.Amendment) *amend.Set {
	t.Helper()
	if _, err := person.Ref(n.Default, "app", key).Set(t.Context(), map[string]any{"amendments": as}, firestore.MergeAll); err != nil {
		t.Fatal(err)
	}
	s, err := amend.Compile(as)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// pass amends all the person's chunks.
func pass(t *testing.T, n *local.Tenant, key person.Key, s *amend.Set, more func() bool) (all chunk.Counts, slices int) {
	t.Helper()
	cursor := ""
	for {
		counts, next, done, err := chunk.Amend(t.Context(), n.Default, "app", key, s, cursor, more)
		if err != nil {
			t.Fatal(err)
		}
		all.Add(counts)
		slices++
		if done {
			return all, slices
		}
		cursor = next
	}
}

// docs reads a person's chunks by their ids.
func docs(t *testing.T, n *local.Tenant, key person.Key) map[string]*firestore.DocumentSnapshot {
	t.Helper()
	all, err := person.Ref(n.Default, "app", key).Collection(chunk.Collection).Documents(context.Background()).GetAll()
	if err != nil {
		t.Fatal(err)
	}
	byID := map[string]*firestore.DocumentSnapshot{}
	for _, d := range all {
		byID[d.Ref.ID] = d
	}
	return byID
}

// events reads all that is stored of a person, duplicates included.
func events(t *testing.T, n *local.Tenant, key person.Key) (all []event.Event) {
	t.Helper()
	for _, d := range docs(t, n, key) {
		var doc chunk.Doc
		if err := d.DataTo(&doc); err != nil {
			t.Fatal(err)
		}
		count := 0
		var newest event.Millis
		err := event.Unpack(doc.Data, func(e *event.Event) error {
			all = append(all, *e)
			count++
			newest = max(newest, e.Received)
			if e.Time.Day() != doc.Day {
				t.Errorf("an event of %s in a chunk of %s", e.Time.Day(), doc.Day)
			}
			return nil
		}, nil)
		if err != nil || count != doc.Count || !newest.Time().Equal(doc.Received) || doc.Project != "app" {
			t.Errorf("%d events in %+v, %v", count, doc, err)
		}
	}
	return all
}

// write stores chunks as the store function does, many at a time.
func write(t *testing.T, n *local.Tenant, key person.Key, chunks []chunk.Chunk) {
	t.Helper()
	w := n.Default.BulkWriter(t.Context())
	var jobs []*firestore.BulkWriterJob
	for _, c := range chunks {
		j, err := w.Set(chunk.Ref(n.Default, "app", key, c.ID), c.Doc)
		if err != nil {
			t.Fatal(err)
		}
		jobs = append(jobs, j)
	}
	w.End()
	for _, j := range jobs {
		if _, err := j.Results(); err != nil {
			t.Fatal(err)
		}
	}
}

func never() bool { return false }

// 20,000 events in slices of the least time; what others have stays byte for byte.
func TestAmendInSlices(t *testing.T) {
	t.Parallel()
	n := local.NewTenant(t, nil)
	ann, bob := person.MakeKey(n.Project.Secret, "ann"), person.MakeKey(n.Project.Secret, "bob")
	const count, each = 20_000, 40
	var chunks, others []chunk.Chunk
	for from := 0; from < count; from += each {
		var batch []event.Event
		for i := from; i < from+each; i++ {
			e := ev(i, day*event.Millis(20_000+i%3))
			e.Name = []string{"Seen", "Bought", "Left", "Came"}[i%4]
			e.Properties = fmt.Sprintf(`{"i":%d,"email":"secret%d","a.b":"old"}`, i, i)
			e.Received = event.Millis(amended - 100 + from/each) // most chunks came after
			batch = append(batch, e)
		}
		chunks = append(chunks, chunk.Build("app", batch)...)
		if from%(each*20) == 0 {
			others = append(others, chunk.Build("app", batch)...)
		}
	}
	write(t, n, ann, chunks)
	write(t, n, bob, others)
	before := docs(t, n, bob)
	later := map[string]*firestore.DocumentSnapshot{}
	for id, d := range docs(t, n, ann) {
		if received, _ := d.DataAt("received"); received.(time.Time).UnixMilli() > amended {
			later[id] = d
		}
	}
	s := set(t, n, ann, amend.Amendment{Properties: []string{"email"}}, amend.Amendment{Events: []string{"Left"}},
		amend.Amendment{Where: `properties["i"] % 2 == 1`, Set: `{"a.b":"new"}`})
	got, slices := pass(t, n, ann, s, never)
	const old = each * 101 // events received in time
	if got.Dropped != old/4 || got.Changed != old*3/4 || got.Chunks < len(chunks) || slices < len(chunks)/50 {
		t.Errorf("%+v in %d slices", got, slices)
	}
	if again, _ := pass(t, n, ann, s, never); again.Rewritten+again.Changed+again.Dropped != 0 {
		t.Errorf("again: %+v", again)
	}
	seen := map[string]bool{}
	for _, e := range events(t, n, ann) {
		var i int
		if _, err := fmt.Sscanf(e.InsertID, "i%d", &i); err != nil || seen[e.InsertID] {
			t.Fatal(e.InsertID, err)
		}
		seen[e.InsertID] = true
		want := fmt.Sprintf(`{"i":%d,"email":"secret%d","a.b":"old"}`, i, i)
		if i < old {
			value := "old"
			if i%2 == 1 {
				value = "new"
			}
			want = fmt.Sprintf(`{"i":%d,"a.b":%q}`, i, value)
		}
		if e.Properties != want || i < old && i%4 == 2 {
			t.Fatalf("%s %s: %s, want %s", e.InsertID, e.Name, e.Properties, want)
		}
	}
	if len(seen) != count-old/4 {
		t.Errorf("%d events", len(seen))
	}
	unchanged(t, before, docs(t, n, bob))
	now := docs(t, n, ann)
	for id := range now {
		if later[id] == nil {
			delete(now, id)
		}
	}
	unchanged(t, later, now)
}

func unchanged(t *testing.T, before, after map[string]*firestore.DocumentSnapshot) {
	t.Helper()
	if len(before) == 0 || len(before) != len(after) {
		t.Errorf("%d documents, then %d", len(before), len(after))
	}
	for id, d := range before {
		if after[id] == nil || !after[id].UpdateTime.Equal(d.UpdateTime) || fmt.Sprint(after[id].Data()) != fmt.Sprint(d.Data()) {
			t.Errorf("%s was touched", id)
		}
	}
}

// Chunks whose content becomes the same, or that of one which came later, are one.
func TestAmendJoins(t *testing.T) {
	t.Parallel()
	n := local.NewTenant(t, nil)
	key := person.MakeKey(n.Project.Secret, "ann")
	with := func(props string, received event.Millis) []chunk.Chunk {
		a, b := ev(1, day*20_000), ev(2, day*20_000)
		a.Properties, a.Received = props, received
		b.Properties, b.Received = props, received
		return chunk.Build("app", []event.Event{a, b})
	}
	for _, c := range [][]chunk.Chunk{with(`{"a":1,"x":1}`, 10), with(`{"a":1,"x":2}`, 20), with(`{"a":1}`, 2000), with(`{"x":3,"a":1}`, 30)} {
		write(t, n, key, c)
	}
	s := set(t, n, key, amend.Amendment{Properties: []string{"x"}})
	if got, _ := pass(t, n, key, s, never); got.Changed != 6 || got.Rewritten != 3 {
		t.Errorf("%+v", got)
	}
	got := events(t, n, key)
	if len(got) != 2 || got[0].Received != 2000 || got[1].Received != 2000 || got[0].Properties != `{"a":1}` {
		t.Errorf("%+v", got)
	}
	if got, _ := pass(t, n, key, s, never); got.Rewritten != 0 {
		t.Errorf("again: %+v", got)
	}
}

// A change whose result reads as before is not made twice either.
func TestAmendToTheSame(t *testing.T) {
	t.Parallel()
	n := local.NewTenant(t, nil)
	key := person.MakeKey(n.Project.Secret, "ann")
	write(t, n, key, chunk.Build("app", []event.Event{ev(1, day*20_000)}))
	s := set(t, n, key, amend.Amendment{Where: `properties["a"] == 1`, Set: `{"a":2}`}, amend.Amendment{Where: `properties["a"] == 2`, Set: `{"a":1}`})
	for i, want := range []int{1, 0} {
		if got, _ := pass(t, n, key, s, never); got.Rewritten != want {
			t.Errorf("pass %d: %+v", i, got)
		}
	}
	if got := events(t, n, key); len(got) != 1 || got[0].Properties != `{"a":1}` || got[0].Amended == 0 {
		t.Errorf("%+v", got)
	}
}

// An event that is sent again with the same content while it is being amended
// overwrites its chunk: what came after the amendment stays as it was sent, and the
// rest is amended.
func TestAmendWhileSentAgain(t *testing.T) {
	t.Parallel()
	n := local.NewTenant(t, nil)
	key := person.MakeKey(n.Project.Secret, "ann")
	seed := uint64(time.Now().UnixNano())
	rnd := rand.New(rand.NewPCG(seed, 0))
	const count = 300
	one := func(i int, received event.Millis) []chunk.Chunk {
		e := ev(i, day*20_000)
		e.Properties, e.Received = `{"a":1,"x":"secret"}`, received
		return chunk.Build("app", []event.Event{e})
	}
	var all []chunk.Chunk
	for i := range count {
		all = append(all, one(i, 100)...)
	}
	write(t, n, key, all)
	again := map[string]bool{}
	var sending sync.WaitGroup
	sending.Go(func() {
		for _, i := range rnd.Perm(count)[:count/2] {
			c := one(i, amended+1)[0]
			if _, err := chunk.Ref(n.Default, "app", key, c.ID).Set(t.Context(), c.Doc); err != nil {
				t.Error(err)
				return
			}
			again[fmt.Sprint("i", i)] = true
		}
	})
	s := set(t, n, key, amend.Amendment{Properties: []string{"x"}})
	pass(t, n, key, s, never)
	sending.Wait()
	if got, _ := pass(t, n, key, s, never); got.Rewritten != 0 {
		t.Errorf("seed %d: again: %+v", seed, got)
	}
	newest := map[string]event.Event{}
	for _, e := range events(t, n, key) {
		if old, there := newest[e.InsertID]; !there || e.Received > old.Received {
			newest[e.InsertID] = e
		}
		if e.Received <= amended && strings.Contains(e.Properties, "secret") {
			t.Errorf("seed %d: %+v", seed, e)
		}
	}
	for id, e := range newest {
		if again[id] != strings.Contains(e.Properties, "secret") {
			t.Errorf("seed %d: sent again %v: %+v", seed, again[id], e)
		}
	}
	if len(newest) != count {
		t.Errorf("seed %d: %d events", seed, len(newest))
	}
}
