package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/emulators/local/localreceipt"
	erase "github.com/lethe-analytics/lethe/functions/delete"
	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/request"
	"github.com/lethe-analytics/lethe/shared/topology"
)

// Erasing a person leaves the log valid, and what it says of her: she is in it as a keyed
// hash alone.
func TestErased(t *testing.T) {
	t.Parallel()
	w, dir := newWorld(t), t.TempDir()
	const id = "ann-the-person"
	if err := local.Fill(t.Context(), w.Default, w.Project, id, 2, 1, 3); err != nil {
		t.Fatal(err)
	}
	api := w.eraser()
	ask := func(method, path, body string) (d erase.Deletion) {
		t.Helper()
		rec := local.Call(t.Context(), api, method, path, w.Key, body)
		if err := json.Unmarshal(rec.Body.Bytes(), &d); err != nil || rec.Code >= 300 {
			t.Fatal(rec.Code, rec.Body, err)
		}
		return d
	}
	d := ask(http.MethodPost, "/v1/deletions", `{"distinct_ids":["`+id+`"]}`)
	w.seal()
	if whole, said := w.verify(dir); !whole { // what is held against it once she is erased
		t.Fatal(said)
	}
	local.Eventually(t, 2*time.Minute, func() error {
		if d = ask(http.MethodGet, "/v1/deletions/"+d.ID, ""); !d.Status.Final() {
			return fmt.Errorf("%+v", d)
		}
		return nil
	})
	if d.Status != request.Done {
		t.Fatalf("%+v", d)
	}
	w.seal()
	if whole, said := w.verify(dir); !whole || !strings.Contains(said, "OK: ") {
		t.Error(said)
	}
	asked := 0
	for rec, err := range access.List(t.Context(), w.Default, w.Project.ID, access.Filter{Person: person.MakeKey(w.Project.Secret, id)}) {
		if err != nil || rec.Altered || strings.Contains(string(rec.Leaf), "ann-the") {
			t.Fatalf("%+v %v", rec, err)
		}
		if rec.Entry().Action == "deletion.create" {
			asked++
		}
	}
	if asked != 1 {
		t.Errorf("%d entries say who asked for it", asked)
	}
}

// eraser is the function that erases, with its worker at work until the test ends.
func (w *world) eraser() http.Handler {
	w.t.Helper()
	ps := w.OpenPubSub(w.t)
	signer := localreceipt.Open(w.t)
	c := erase.Config{Config: w.Config, PublicURL: "https://lethe.example", Timeout: time.Minute, PublishTimeout: 30 * time.Second, Slice: 25 * time.Second, SweepIdle: time.Second}
	w.Work(w.t, ps, topology.TopicDeletions, "delete-worker", erase.NewWorker(c, erase.Stores{Databases: w.Databases, PubSub: ps, Bucket: w.bucket}, signer))
	return erase.New(c, w.Guard(w.t), w.Default, signer.Keys, request.Publishers{Tasks: queue.NewPublisher(ps, topology.TopicDeletions, c.PublishTimeout)})
}
