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
	erase "github.com/lethe-analytics/lethe/functions/delete"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/receipt"
	"github.com/lethe-analytics/lethe/shared/request"
)

// What is running says how far it is.
func TestProgress(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute)
	asked := w.ask(`{"distinct_ids":["a"]}`)
	if _, err := request.Ref(w.Default, w.Project.ID, asked.ID).Update(t.Context(), []firestore.Update{
		{Path: "status", Value: request.Running}, {Path: "position", Value: `{"stage":"verify","stores":{"events":{"deleted":5,"changed":2}}}`},
	}); err != nil {
		t.Fatal(err)
	}
	var d erase.Deletion
	w.call(http.MethodGet, "/v1/deletions/"+asked.ID, "", http.StatusOK, &d)
	if d.Progress == nil || *d.Progress != (request.Progress{Stage: "verifying", Events: 7}) {
		t.Errorf("%+v", d.Progress)
	}
}

// An erasure of many goes through many slices, each ended early, and counts exactly.
func TestSlices(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Millisecond)
	var ids []string
	for p := range 130 {
		id := fmt.Sprint("p", p)
		ids = append(ids, fmt.Sprintf("%q", id))
		if p%10 == 0 {
			w.Deliver(t, w.store, []event.Event{ev(id, "Seen", 1, "{}"), ev(id, "Seen", 2, "{}")}, op(id, 0, "$set", `{"a":1}`))
			w.Deliver(t, w.store, []event.Event{ev(id, "Seen", 3, "{}")})
		}
	}
	asked := w.ask(`{"distinct_ids":[` + strings.Join(ids, ",") + `]}`)
	w.work()
	w.until(asked.ID, request.Done)
	r := w.receipt(asked.ID)
	if r.Stores.Events.Deleted != 39 || r.Stores.Operations.Deleted != 13 || r.Stores.Profiles.Deleted != 13 || len(r.Subjects) != 130 {
		t.Errorf("%+v", r.Stores)
	}
	stored, err := request.Get(context.Background(), w.Default, w.Project.ID, asked.ID, "")
	if err != nil || stored.Step < 10 {
		t.Errorf("%d slices, %v", stored.Step+1, err)
	}
}

// A slice ends at its time, though it has found more than a transaction removes; what is
// left is the next one's.
func TestSliceEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Nanosecond)
	const chunks = 350 // a transaction removes 300
	if err := local.Fill(t.Context(), w.Default, w.Project, "ann", chunks, 1, 1); err != nil {
		t.Fatal(err)
	}
	id := w.ask(`{"distinct_ids":["ann"]}`).ID
	left := chunks
	for range 10 { // the fence comes first
		if w.slice(id); left == chunks {
			left = len(w.texts("ann"))
		}
	}
	if left == 0 || left == chunks {
		t.Errorf("of %d chunks %d are left by the first slice that removes any", chunks, left)
	}
	for range 50 {
		if w.slice(id).Status == request.Done {
			if r := w.receipt(id); r.Stores.Events.Deleted != chunks || len(w.texts("ann")) > 0 {
				t.Errorf("%+v", r.Stores)
			}
			return
		}
	}
	t.Fatal("the erasure does not finish")
}

// A worker that was killed before the receipt was whole leaves nothing of its own in it.
func TestReceiptAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute)
	asked := w.ask(`{"distinct_ids":["ann"]}`)
	for _, id := range []string{"0000", "0001", "0002"} {
		piece := request.Ref(w.Default, w.Project.ID, asked.ID).Collection("receipts").Doc(id)
		if _, err := piece.Set(t.Context(), map[string]any{"text": "of a longer one"}); err != nil {
			t.Fatal(err)
		}
	}
	w.work()
	w.until(asked.ID, request.Done)
	if r := w.receipt(asked.ID); r.Request != asked.ID {
		t.Errorf("%+v", r)
	}
}

// A receipt lists thousands of identities. It is stored in pieces, and verifies.
func TestReceiptOfMany(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute)
	id := w.ask(`{"distinct_ids":["ann"]}`).ID
	const n = 10_000
	link := &person.Link{To: w.personKey("ann"), By: "token", Event: "$identify", Received: ago(time.Hour), Message: "12345678901234567"}
	fence := ago(time.Minute)
	bulk := w.Default.BulkWriter(t.Context())
	put := func(n int, p *request.Part) {
		p.Project = w.Project.ID
		if _, err := bulk.Set(request.PartRef(w.Default, w.Project.ID, id, n), p); err != nil {
			t.Fatal(err)
		}
	}
	put(0, &request.Part{IDs: []string{""}, Keys: []person.Key{link.To}, Subjects: []request.Subject{{Fence: fence, Person: link.To, Whole: true, Joined: true, Settled: fence}}})
	for part := range n / request.PartSize {
		p := &request.Part{}
		for i := range request.PartSize {
			p.IDs, p.Keys = append(p.IDs, ""), append(p.Keys, w.personKey(fmt.Sprint(part, " ", i)))
			p.Subjects = append(p.Subjects, request.Subject{Fence: fence, Person: link.To, Whole: true, Link: link, Known: true, Settled: fence})
		}
		put(part+1, p)
	}
	bulk.End()
	if _, err := request.Ref(w.Default, w.Project.ID, id).Update(t.Context(), []firestore.Update{
		{Path: "parts", Value: n/request.PartSize + 1}, {Path: "position", Value: `{"stage":"receipt","asked":1}`}}); err != nil {
		t.Fatal(err)
	}
	if got := w.slice(id).Status; got != request.Done {
		t.Fatalf("got %s, want %s", got, request.Done)
	}
	pieces, err := request.Ref(w.Default, w.Project.ID, id).Collection("receipts").Documents(t.Context()).GetAll()
	if err != nil || len(pieces) < 2 {
		t.Errorf("got %d pieces, %v, want some", len(pieces), err)
	}
	r := w.receipt(id)
	if len(r.Subjects) != 1 || len(r.Subjects[0].Identities) != n || r.Stores.Profiles.Deleted != n {
		t.Fatalf("got %d subjects, %+v", len(r.Subjects), r.Stores)
	}
	if i := r.Subjects[0].Identities[n-1]; i.Identity != w.personKey("99 99") || i.Link == nil || *i.Link != *receipt.NewLink(link) || !i.Fence.Equal(fence) {
		t.Errorf("got %+v", i)
	}
}
