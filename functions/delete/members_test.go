package erase_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/firestore"

	erase "github.com/lethe-analytics/lethe/functions/delete"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/receipt"
	"github.com/lethe-analytics/lethe/shared/request"
)

// linkAll writes links as they stand in the documents of identities.
func (w *world) linkAll(whose string, l person.Link, ids ...string) {
	w.t.Helper()
	ctx := context.WithoutCancel(w.t.Context())
	bulk := w.Default.BulkWriter(ctx)
	write := func(id string, fields map[string]any) {
		if _, err := bulk.Set(w.personRef(id), fields, firestore.MergeAll); err != nil {
			w.t.Fatal(err)
		}
	}
	write(whose, map[string]any{"distinct_id": whose, "joined": true, "identified": "$identify"})
	for _, id := range ids {
		l.To = w.personKey(whose)
		write(id, map[string]any{"distinct_id": id, "link": l})
	}
	bulk.End()
}

func ago(d time.Duration) time.Time { return event.Now().Time().Add(-d) }

// seen stores an event of each.
func (w *world) seen(ids ...string) {
	w.t.Helper()
	var events []event.Event
	for i, id := range ids {
		events = append(events, ev(id, "Seen", i, "{}"))
	}
	w.Deliver(w.t, w.store, events)
}

// killed gives a worker a slice and kills it after that time.
func (w *world) killed(id string, worker http.Handler, after time.Duration) request.Status {
	w.t.Helper()
	r, err := request.Get(w.t.Context(), w.Default, w.Project.ID, id, request.Deletion)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), after)
	defer cancel()
	task := fmt.Sprintf(`{"project":%q,"request":%q,"step":%d}`, r.Project, r.ID, r.Step)
	if code := w.Push(ctx, w.t, worker, []byte(task)); code != http.StatusNoContent && code != http.StatusServiceUnavailable {
		w.t.Fatalf("the worker answers %d", code)
	}
	// Of a worker that was killed the lease is left.
	if _, err := request.Ref(w.Default, w.Project.ID, id).Update(w.t.Context(), []firestore.Update{{Path: "lease", Value: time.Time{}}}); err != nil {
		w.t.Fatal(err)
	}
	if r, err = request.Get(w.t.Context(), w.Default, w.Project.ID, id, request.Deletion); err != nil {
		w.t.Fatal(err)
	}
	return r.Status
}

func devices(prefix string, n int) (ids []string) {
	for i := range n {
		ids = append(ids, fmt.Sprint("$device:", prefix, i))
	}
	return ids
}

// All identities of a person are erased, however many, though workers are killed and
// slices are short: those of users who were merged as well. What joined later, or may not
// be followed, is not touched.
func TestEraseIdentities(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute)
	token := person.Link{By: "token", Event: "$identify", Received: ago(time.Hour)}
	key := person.Link{By: "key", Actor: "hash", Received: ago(time.Minute)}
	own, merged := devices("own", 300), devices("merged", 5)
	later, maybe := devices("later", 2), devices("maybe", 2)
	for _, ids := range [][]string{own, append(merged, later...), maybe, {"bob", "bobby", "bobette", "carl", "$device:carl"}} {
		w.seen(ids...)
	}
	w.linkAll("bob", token, own...)
	w.linkAll("bob", person.Link{By: "token", Provisional: true, Received: ago(time.Hour)}, maybe...)
	w.linkAll("bob", person.Link{By: "token", Received: ago(-time.Hour)}, later...)
	w.linkAll("bobette", token, merged...)
	w.linkAll("bobby", key, "bobette")
	w.linkAll("bob", key, "bobby")
	w.linkAll("carl", token, "$device:carl")
	others := append(append([]string{"carl", "$device:carl"}, later...), maybe...)
	before := map[string]string{}
	for _, id := range others {
		before[id] = w.snapshot(id)
	}
	workers := []http.Handler{w.worker}
	c := w.config
	c.Slice = time.Nanosecond
	workers = append(workers, erase.NewWorker(c, erase.Stores{Databases: w.Databases, PubSub: w.ps, Bucket: w.bucket}, w.signer))

	id := w.ask(`{"distinct_ids":["bobby"]}`).ID // who is neither the person's own identity nor one that links to it alone
	for n, status := 0, request.Queued; status != request.Done; n++ {
		if n > 500 {
			t.Fatalf("the erasure does not end: %s", status)
		}
		worker, after := workers[n%2], time.Minute
		if n%3 == 0 {
			after = time.Duration(10+n) * time.Millisecond
		}
		status = w.killed(id, worker, after)
	}
	r := w.receipt(id)
	if len(r.Subjects) != 1 {
		t.Fatalf("got %d subjects, want 1", len(r.Subjects))
	}
	s := r.Subjects[0]
	if s.Identity != w.personKey("bobby") || s.Person != w.personKey("bob") || s.Scope != receipt.ScopePerson || s.Link == nil || s.Link.By != "key" || s.Link.To != s.Person {
		t.Errorf("got %+v", s)
	}
	listed := map[person.Key]receipt.Identity{s.Identity: {}}
	for _, i := range s.Identities {
		if _, twice := listed[i.Identity]; twice {
			t.Errorf("%s is listed twice", i.Identity)
		}
		listed[i.Identity] = i
	}
	erased := append(append([]string{"bob", "bobby", "bobette"}, own...), merged...)
	if len(listed) != len(erased) || r.Stores.Events.Deleted != len(erased) || r.Stores.Profiles.Deleted != len(erased) {
		t.Errorf("got %d identities and %+v, want %d of all", len(listed), r.Stores, len(erased))
	}
	for _, id := range erased {
		if all, d := w.texts(id), w.doc(id); len(all) > 0 || d.DistinctID != "" || d.Link != nil || d.ErasedAt.IsZero() {
			t.Errorf("%s: %v is left, and %+v", id, all, d)
		}
		i, known := listed[w.personKey(id)]
		if !known {
			t.Errorf("the receipt does not list %s", id)
		}
		if strings.HasPrefix(id, "$device:") && (i.Link == nil || i.Link.By != "token" || i.Link.Event != "$identify" || !i.Link.Received.Equal(token.Received)) {
			t.Errorf("%s: the receipt has the link %+v", id, i.Link)
		}
	}
	for _, id := range others {
		if after := w.snapshot(id); after != before[id] {
			t.Errorf("%s has changed: %s\n%s", id, before[id], after)
		}
	}
}

// An identity that has escaped the first pass is found when all is counted again.
func TestEraseMissed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Nanosecond)
	w.seen("bob", "$device:1", "$device:2")
	l := person.Link{By: "token", Received: ago(time.Hour)}
	w.linkAll("bob", l, "$device:1")
	id := w.ask(`{"distinct_ids":["bob"]}`).ID
	for !strings.Contains(w.slice(id).Position, `"letters"`) {
	}
	l.To = w.personKey("bob") // past package person, which knows the fence
	if _, err := w.personRef("$device:2").Update(t.Context(), []firestore.Update{{Path: "link", Value: l}}); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if w.slice(id).Status == request.Done {
			if all := append(w.texts("$device:1"), w.texts("$device:2")...); len(all) > 0 || len(w.receipt(id).Subjects[0].Identities) != 2 {
				t.Errorf("%v is left, and the receipt is %+v", all, w.receipt(id))
			}
			return
		}
	}
	t.Fatal("the erasure does not end")
}
