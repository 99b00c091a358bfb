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

func (w *world) link(a, b string) {
	w.t.Helper()
	named := func(id string) person.Named {
		return person.Named{Key: person.MakeKey(w.Project.Secret, id), DistinctID: id}
	}
	if linked, err := person.Link(w.t.Context(), w.Databases, w.Project.ID, named(a), named(b), seen); err != nil || !linked {
		w.t.Fatal(linked, err)
	}
}

func TestProfileOfLinked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.person(w.Project, "ann", person.Doc{DistinctID: "ann", FirstSeen: seen, Profile: `{"plan":"pro","n":1}`})
	w.person(w.Project, "web/☕", person.Doc{DistinctID: "web/☕", FirstSeen: seen.AddDate(0, 0, -1), Profile: `{"plan":"free","city":"Oslo"}`,
		Consent: person.Consent{State: consent.Denied, At: seen}})
	w.person(w.Project, "bob", person.Doc{DistinctID: "bob", FirstSeen: seen})
	w.link("ann", "web/☕")
	w.link("new", "ann") // has never been seen
	for _, id := range []string{"ann", "web/☕", "new"} {
		want := `{"distinct_id":"` + id + `","distinct_ids":["ann","new","web/☕"],"first_seen":"2026-01-31T12:30:00Z",` +
			`"profile":{"city":"Oslo","n":1,"plan":"pro"},"consent":{"state":"denied"}}`
		if got := strings.TrimSpace(w.get("/v1/people/" + url.PathEscape(id)).Body.String()); got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	}
	if got := w.get("/v1/people/bob").Body.String(); !strings.Contains(got, `"distinct_ids":["bob"]`) {
		t.Error(got)
	}
}

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
		w.link("ann", id)
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
		t.Fatalf("seed %d: %d events, or not the newest first: %v", seed, len(whole), whole)
	}
	for _, limit := range []int{1 + r.IntN(20), 50, 149, 150} {
		if got := w.walk("", limit); !slices.Equal(got, whole) {
			t.Errorf("seed %d: pages of %d: %v, want %v", seed, limit, got, whole)
		}
	}
	var some []string
	for _, id := range whole {
		if day := at[id].Day(); day >= "2026-02-02" && day <= "2026-02-04" {
			some = append(some, id)
		}
	}
	if got := w.walk("from=2026-02-02&to=2026-02-04", 3); !slices.Equal(got, some) {
		t.Errorf("seed %d: from, to: %v, want %v", seed, got, some)
	}
	// A cursor serves each distinct_id, also when the cluster has another head by now.
	first, next := w.page("limit=60")
	for _, id := range []string{"user", "user2"} {
		w.link(id, id+" here")
		w.link(id, id+" there")
	}
	w.link("user", "user2")
	w.link("user", "ann")
	for _, id := range []string{"phone", "ann", "user2"} {
		var a struct {
			Events []struct {
				Properties struct {
					InsertID string `json:"$insert_id"`
				}
			}
		}
		rec := w.get("/v1/people/" + id + "/events?limit=1000&cursor=" + next)
		if err := json.Unmarshal(rec.Body.Bytes(), &a); err != nil || rec.Code != http.StatusOK {
			t.Fatal(rec.Code, rec.Body)
		}
		got := slices.Clone(first)
		for _, e := range a.Events {
			got = append(got, e.Properties.InsertID)
		}
		if !slices.Equal(got, whole) {
			t.Errorf("seed %d: %s: %v, want %v", seed, id, got, whole)
		}
	}
	w.refused(w.get("/v1/people/tv/events?cursor="+next), http.StatusBadRequest)
}
