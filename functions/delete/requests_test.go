package erase_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/amend"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/objects"
	"github.com/lethe-analytics/lethe/shared/request"
)

// archived reports whether an export has an archive.
func (w *world) archived(r *request.Request) bool {
	w.t.Helper()
	names, err := objects.Archive(w.t.Context(), w.bucket, w.Project.ID, r.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	return len(names) > 0
}

// slice does one slice of a deletion.
func (w *world) slice(id string) *request.Request {
	w.t.Helper()
	r, err := request.Get(w.t.Context(), w.Default, w.Project.ID, id, request.Deletion)
	if err != nil {
		w.t.Fatal(err)
	}
	task := fmt.Sprintf(`{"project":%q,"request":%q,"step":%d}`, r.Project, r.ID, r.Step)
	if code := w.Push(w.t.Context(), w.t, w.worker, []byte(task)); code != http.StatusNoContent {
		w.t.Fatal(code)
	}
	if r, err = request.Get(w.t.Context(), w.Default, w.Project.ID, id, request.Deletion); err != nil {
		w.t.Fatal(err)
	}
	return r
}

// An export that is asked for while a property is being erased may hold what has not
// been rewritten yet: its archive goes, though the fence is older.
func TestEraseSingleWhileExported(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Nanosecond)
	for n := range 60 { // more chunks than a slice does
		w.Deliver(t, w.store, []event.Event{ev("ann", "Seen", n, `{"email":"SECRET"}`)})
	}
	id := w.ask(`{"distinct_ids":["ann"],"properties":["email"]}`).ID
	if r := w.slice(id); r.Status != request.Running || !strings.Contains(strings.Join(w.texts("ann"), ""), "SECRET") {
		t.Fatalf("%+v: the erasure is not half done", r)
	}
	archive := w.export("ann")
	for w.slice(id).Status != request.Done {
	}
	if w.archived(archive) {
		t.Error("an archive from the time of the erasure is left")
	}
}

// An archive that holds somebody beside those who are named goes with that person.
func TestEraseCovered(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute)
	w.work()
	covering, other := w.export("ann"), w.exportAgain("other", "ann")
	if err := request.Cover(t.Context(), w.Default, covering, 0, w.personKey("device")); err != nil {
		t.Fatal(err)
	}
	w.until(w.ask(`{"distinct_ids":["device"]}`).ID, request.Done)
	if w.archived(covering) || !w.archived(other) {
		t.Error("want only the archive that holds the erased person gone")
	}
}

// What a request holds that is personal goes, also of one that is still to be done. Who
// asked, when and for which properties stays.
func TestErasePrivate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute)
	w.work()
	ask := func(ids ...string) *request.Request {
		r, err := request.Create(t.Context(), w.Default, w.Project, request.New{
			Kind: request.Rectification, Origin: request.API, IDs: ids, Actor: "actor",
			Params: map[string]any{"profile_names": []string{"email"}}, Private: map[string]string{"profile": "SECRET"}, Reason: "her new address is SECRET"})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	left := func(r *request.Request) bool {
		r, err := request.Get(t.Context(), w.Default, w.Project.ID, r.ID, "")
		if err != nil {
			t.Fatal(err)
		}
		if r.Params != `{"profile_names":["email"]}` || r.Actor != "actor" || r.Created.IsZero() {
			t.Errorf("%+v", r)
		}
		return r.Private != "" || r.Reason != ""
	}
	own, other := ask("ann"), ask("bob")
	rectified := []amend.Amendment{{At: time.Now(), Request: own.ID, Where: `properties["email"] == "SECRET"`, Set: `{"plan":"SECRET"}`}}
	if _, err := w.personRef("ann").Set(t.Context(), map[string]any{"amendments": rectified}, firestore.MergeAll); err != nil {
		t.Fatal(err)
	}
	w.until(w.ask(`{"distinct_ids":["ann"]}`).ID, request.Done)
	if left(own) || !left(other) {
		t.Errorf("of the erased person something is left: %v; of another: %v", left(own), left(other))
	}
	if s := w.snapshot("ann"); strings.Contains(s, "SECRET") {
		t.Error(s)
	}
}

// A property is gone from what a rectification has left for events on their way, too.
func TestEraseRectified(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute)
	w.work()
	w.Deliver(t, w.store, []event.Event{ev("ann", "Seen", 1, `{"email":"x","plan":"free"}`)})
	before := []amend.Amendment{{At: time.Now().Add(-time.Minute), Request: "r", Set: `{"email":"SECRET","plan":"pro"}`}}
	if _, err := w.personRef("ann").Update(t.Context(), []firestore.Update{{Path: "amendments", Value: before}}); err != nil {
		t.Fatal(err)
	}
	w.until(w.ask(`{"distinct_ids":["ann"],"properties":["email"]}`).ID, request.Done)
	if d := w.doc("ann"); len(d.Amendments) != 2 || d.Amendments[0].Set != `{"plan":"pro"}` {
		t.Errorf("%+v", d.Amendments)
	}
}
