package person_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
)

// What is told of one identity is told of the person, whichever is asked about.
func TestProfileOfLinked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.person(w.Project, "ann", person.Doc{DistinctID: "ann", FirstSeen: seen, Profile: `{"plan":"pro","n":1}`})
	w.person(w.Project, "web/☕", person.Doc{DistinctID: "web/☕", FirstSeen: seen.AddDate(0, 0, -1),
		Consent: person.Consent{State: consent.Denied, At: seen}})
	w.person(w.Project, "bob", person.Doc{DistinctID: "bob", FirstSeen: seen})
	w.link("web/☕", "ann")
	w.link("new", "ann") // has never been seen
	for _, id := range []string{"ann", "web/☕", "new"} {
		want := `{"distinct_id":"` + id + `","distinct_ids":["ann","new","web/☕"],"identities":3,"first_seen":"2026-01-31T12:30:00Z",` +
			`"profile":{"plan":"pro","n":1},"consent":{"state":"denied"},"links":[` +
			`{"distinct_id":"new","to":"ann","by":"key","event":"$identify","received":"2026-02-01T12:30:00Z"},` +
			`{"distinct_id":"web/☕","to":"ann","by":"key","event":"$identify","received":"2026-02-01T12:30:00Z"}]}`
		if got := strings.TrimSpace(w.get("/v1/people/" + url.PathEscape(id)).Body.String()); got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	}
	if got := w.get("/v1/people/bob").Body.String(); !strings.Contains(got, `"distinct_ids":["bob"],"identities":1,`) {
		t.Errorf("got %s, want bob alone", got)
	}
}

// The timelines of all identities are one, in pages of any size.
func TestTimelineOfLinked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	ids := []string{"ann", "web", "phone", "tv"}
	for _, id := range ids {
		w.person(w.Project, id, person.Doc{DistinctID: id, FirstSeen: seen})
	}
	for _, id := range ids[1:3] {
		w.link(id, "ann")
	}
	var all []event.Event
	at := map[string]event.Millis{}
	for i := range 150 {
		e := ev(i, fmt.Sprintf("2026-02-%02d %02d:00:00", 1+r.IntN(6), r.IntN(3)))
		e.DistinctID = ids[r.IntN(3)]
		at[e.InsertID] = e.Time
		all = append(all, e)
	}
	w.store(w.Project, all...)
	other := ev(1000, "2026-02-03 12:00:00")
	other.DistinctID = "tv"
	w.store(w.Project, other)
	whole := w.walk("", 1000)
	if len(whole) != len(all) || !slices.IsSortedFunc(whole, func(a, b string) int { return int(at[b] - at[a]) }) {
		t.Fatalf("seed %d: got %d events, or not the newest first: %v, want %d", seed, len(whole), whole, len(all))
	}
	for _, limit := range []int{1 + r.IntN(20), 50, 149, 150} {
		if got := w.walk("", limit); !slices.Equal(got, whole) {
			t.Errorf("seed %d: pages of %d: got %v, want %v", seed, limit, got, whole)
		}
	}
	var some []string
	for _, id := range whole {
		if day := at[id].Day(); day >= "2026-02-02" && day <= "2026-02-04" {
			some = append(some, id)
		}
	}
	if got := w.walk("from=2026-02-02&to=2026-02-04", 3); !slices.Equal(got, some) {
		t.Errorf("seed %d: from, to: got %v, want %v", seed, got, some)
	}
	w.testCursorOfLinked(whole)
}

// testCursorOfLinked shows that a cursor serves each identity, also when they are another
// person's by now.
func (w *world) testCursorOfLinked(whole []string) {
	w.t.Helper()
	first, next := w.page("limit=60")
	w.link("uma2", "uma")
	w.link("ann", "uma")
	for _, id := range []string{"phone", "ann", "uma2"} {
		var a struct {
			Events []struct {
				Properties struct {
					InsertID string `json:"$insert_id"`
				}
			}
		}
		rec := w.get("/v1/people/" + id + "/events?limit=1000&cursor=" + next)
		if err := json.Unmarshal(rec.Body.Bytes(), &a); err != nil || rec.Code != http.StatusOK {
			w.t.Fatal(rec.Code, rec.Body)
		}
		got := slices.Clone(first)
		for _, e := range a.Events {
			got = append(got, e.Properties.InsertID)
		}
		if !slices.Equal(got, whole) {
			w.t.Errorf("%s: got %v, want %v", id, got, whole)
		}
	}
	w.refused(w.get("/v1/people/tv/events?cursor="+next), http.StatusBadRequest)
}
