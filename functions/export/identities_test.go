package export_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/functions/export"
	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/request"
)

// crowd is a person of 300 identities: a user with 200 devices, and another user whom a
// key has merged, with the other devices.
func (w *world) crowd() (events map[string]int) {
	w.t.Helper()
	bulk := w.Default.BulkWriter(w.t.Context())
	user, merged := w.personKey("user"), w.personKey("merged")
	w.fillPerson(bulk, "user", person.Doc{Joined: true, Height: 2, Identified: "links"}, 3)
	w.fillPerson(bulk, "merged", person.Doc{Joined: true, Identified: "links", Link: &person.Link{To: user, By: "key", Received: received}}, 2)
	events = map[string]int{"user": 3, "merged": 2}
	for i := range 298 {
		id, to := fmt.Sprintf("$device:%03d", i), user
		if i >= 200 {
			to = merged
		}
		events[id] = i % 3
		w.fillPerson(bulk, id, person.Doc{Link: &person.Link{To: to, By: "token", Event: "$identify", Received: received}}, events[id])
	}
	w.fillPerson(bulk, "other", person.Doc{Link: &person.Link{To: user, Provisional: true, By: "token", Received: received}}, 2)
	bulk.End()
	return events
}

// finish does slices until an export is done, of workers that are killed now and then.
// What a slice leaves behind stays small.
func (w *world) finish(id string, rnd *rand.Rand) (killed int) {
	w.t.Helper()
	for {
		r := w.get(id)
		if r.Status.Final() {
			return killed
		}
		if len(r.Position) > 1000 {
			w.t.Errorf("got a position of %d bytes, want at most 1000: %s", len(r.Position), r.Position)
		}
		if !r.Lease.IsZero() { // a killed worker's lease would last for a minute
			if _, err := request.Ref(w.Default, w.Project.ID, id).Set(w.t.Context(), map[string]any{"lease": time.Time{}}, mergeAll); err != nil {
				w.t.Fatal(err)
			}
		}
		ctx, cancel := contextFor(w.t, rnd)
		if w.Push(ctx, w.t, w.worker, fmt.Appendf(nil, `{"project":"app","request":%q,"step":%d}`, id, r.Step)) != http.StatusNoContent {
			killed++
		}
		cancel()
	}
}

// An archive of a person of many identities, made in many slices of workers that are
// killed, holds everything once, and is found by each identity.
func TestManyIdentities(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	w := newWorld(t, time.Nanosecond, time.Minute)
	want := w.crowd()
	for i := range 5 {
		w.say(fmt.Sprintf("$device:%03d", 50*i), person.Consent{State: consent.Granted, Source: "app", At: received.Add(time.Duration(7*i%5) * time.Second)})
	}
	var asked []string
	for _, id := range []string{"user", "$device:010", "$device:020", "$device:290"} {
		asked = append(asked, w.ask(`{"distinct_ids":["`+id+`"],"format":"csv"}`).ID)
	}
	e := w.ask(`{"distinct_ids":["user","zz"]}`)
	asked = append(asked, e.ID)
	t.Logf("%d times killed", w.finish(e.ID, rand.New(rand.NewPCG(seed, 0))))
	files := w.archive(w.until(e.ID, request.Done))

	events, listed, said, requests := map[string]int{}, map[string]int{}, []export.Consent{}, map[string]int{}
	for name, text := range files {
		file, mine := strings.CutPrefix(name, "person-0001/")
		if !mine {
			continue
		}
		kind, _, _ := strings.Cut(file, ".")
		switch kind, _, _ = strings.Cut(kind, "-"); kind {
		case "events":
			for line := range strings.Lines(text) {
				var e struct {
					Properties struct {
						ID     string `json:"distinct_id"`
						Insert string `json:"$insert_id"`
					}
				}
				if err := json.Unmarshal([]byte(line), &e); err != nil {
					t.Fatal(err)
				}
				events[e.Properties.ID+" "+e.Properties.Insert]++
			}
		case "identities":
			for _, i := range read[[]export.Identity](t, files, name) {
				listed[i.DistinctID]++
			}
		case "consents":
			said = append(said, read[[]export.Consent](t, files, name)...)
		case "requests":
			for _, r := range read[[]export.Request](t, files, name) {
				requests[r.ID]++
			}
		}
	}
	total := 0
	for id, n := range want {
		total += n
		for i := range n {
			if got := events[fmt.Sprint(id, " i", i)]; got != 1 {
				t.Errorf("seed %d: %s, event %d: got %d times, want 1", seed, id, i, got)
			}
		}
		if listed[id] != 1 {
			t.Errorf("seed %d: %s: got %d times in identities.json, want 1", seed, id, listed[id])
		}
		found, err := request.Of(t.Context(), w.Default, w.Project.ID, w.personKey(id))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(fmt.Sprint(found), e.ID) {
			t.Errorf("seed %d: %s: got %v, want the archive that holds it", seed, id, found)
		}
	}
	if len(events) != total || len(listed) != len(want)+1 || listed[""] != 1 { // with the provisional one
		t.Errorf("seed %d: got %d events of %d identities, want %d of %d", seed, len(events), len(listed), total, len(want)+1)
	}
	if len(said) != 5 {
		t.Errorf("seed %d: got %d statements of consent, want 5", seed, len(said))
	}
	for _, id := range asked {
		if requests[id] != 1 {
			t.Errorf("seed %d: got request %s %d times, want 1", seed, id, requests[id])
		}
	}
	if p := read[export.Profile](t, files, "person-0001/profile.json"); p.Identities != 300 || len(p.DistinctIDs) != export.MaxDistinctIDs {
		t.Errorf("got %d identities and %d distinct_ids, want 300 and the first %d", p.Identities, len(p.DistinctIDs), export.MaxDistinctIDs)
	}
	parts, err := request.Ref(w.Default, w.Project.ID, e.ID).Collection(request.PartsCollection).Documents(t.Context()).GetAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, snap := range parts {
		var part request.Part
		if err := snap.DataTo(&part); err != nil || len(part.Keys) > request.PartSize {
			t.Errorf("got %d persons in a part, %v; want at most %d", len(part.Keys), err, request.PartSize)
		}
	}
}
