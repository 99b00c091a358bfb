package export_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/functions/export"
	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/identity"
	"github.com/lethe-analytics/lethe/shared/join"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/request"
)

// received is when links are made in tests.
var received = time.Date(2026, 2, 1, 12, 0, 0, 0, time.UTC)

// connect claims that an identity is another's.
func (w *world) connect(who, whose string, said identity.Said, l person.Link) {
	w.t.Helper()
	l.Received = received
	linked, err := person.Connect(w.t.Context(), w.Databases, w.Project.ID, person.Claim{
		Who: person.Named{Key: w.personKey(who), DistinctID: who}, Whose: person.Named{Key: w.personKey(whose), DistinctID: whose}, Said: said, Link: l})
	if err != nil {
		w.t.Fatal(err)
	}
	w.settle(linked)
}

// link makes a device a user's.
func (w *world) link(who, whose string, l person.Link) {
	w.t.Helper()
	w.connect(who, whose, identity.LinkDevice, l)
}

// settle does what a link leaves to be done.
func (w *world) settle(linked person.Linked) {
	w.t.Helper()
	if linked.Pending == "" {
		return
	}
	if err := join.Settle(w.t.Context(), w.Databases, w.Project.ID, linked.Pending, func() bool { return true }); err != nil {
		w.t.Fatal(err)
	}
}

// say notes a statement of consent.
func (w *world) say(id string, c person.Consent) {
	w.t.Helper()
	if _, _, err := person.SetConsent(w.t.Context(), w.Databases, w.Project.ID, w.personKey(id), c); err != nil {
		w.t.Fatal(err)
	}
}

// slice does one slice of an export, and returns the request behind it.
func (w *world) slice(id string) *request.Request {
	w.t.Helper()
	r := w.get(id)
	if code := w.Push(w.t.Context(), w.t, w.worker, fmt.Appendf(nil, `{"project":"app","request":%q,"step":%d}`, id, r.Step)); code != http.StatusNoContent {
		w.t.Fatalf("slice %d: got %d, want 204", r.Step, code)
	}
	return w.get(id)
}

func (w *world) get(id string) *request.Request {
	w.t.Helper()
	r, err := request.Get(w.t.Context(), w.Default, w.Project.ID, id, request.Export)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// export makes an archive of what is asked for.
func (w *world) export(body string) map[string]string {
	w.t.Helper()
	id := w.ask(body).ID
	for !w.slice(id).Status.Final() {
	}
	return w.archive(w.until(id, request.Done))
}

// read decodes a file of an archive.
func read[T any](t testing.TB, files map[string]string, name string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(files[name]), &v); err != nil {
		t.Fatalf("%s: %v in %q", name, err, files[name])
	}
	return v
}

// identities are the entries of identities.json, by distinct_id or else by key.
func identities(t testing.TB, files map[string]string, name string) map[string]export.Identity {
	t.Helper()
	all := map[string]export.Identity{}
	for _, i := range read[[]export.Identity](t, files, name) {
		id := i.DistinctID
		if id == "" {
			id = string(i.Identity)
		}
		if _, twice := all[id]; twice {
			t.Errorf("%s lists %s twice", name, id)
		}
		all[id] = i
	}
	return all
}

// fillPerson stores an identity as it is, with so many events.
func (w *world) fillPerson(bulk *firestore.BulkWriter, id string, doc person.Doc, events int) {
	w.t.Helper()
	doc.DistinctID, doc.FirstSeen = id, received
	key := w.personKey(id)
	if _, err := bulk.Set(person.Ref(w.Default, w.Project.ID, key), doc); err != nil {
		w.t.Fatal(err)
	}
	var all []event.Event
	for n := range events {
		all = append(all, ev(id, "Seen", n, fmt.Sprintf("2025-01-%02d 00:00:00", 1+n), `{}`))
	}
	for _, c := range chunk.Build(w.Project.ID, all) {
		if _, err := bulk.Set(chunk.Ref(w.Default, w.Project.ID, key, c.ID), c.Doc); err != nil {
			w.t.Fatal(err)
		}
	}
}
