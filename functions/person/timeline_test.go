package person_test

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
)

// ann makes a world with a person ann.
func ann(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	for _, id := range []string{"ann", "bob"} {
		w.person(w.Project, id, person.Doc{DistinctID: id, FirstSeen: seen})
	}
	return w
}

// walk reads the whole timeline in pages and gives all insert ids.
func (w *world) walk(query string, limit int) []string {
	w.t.Helper()
	var all []string
	cursor := ""
	for {
		ids, next := w.page(fmt.Sprintf("%s&limit=%d%s", query, limit, cursor))
		all = append(all, ids...)
		if next == "" {
			return all
		}
		if len(ids) == 0 || len(ids) > limit {
			w.t.Fatalf("a page of %d before the end", len(ids))
		}
		cursor = "&cursor=" + url.QueryEscape(next)
	}
}

func TestNewestFirstInPages(t *testing.T) {
	t.Parallel()
	w := ann(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	var all []event.Event
	for i := range 120 { // over five days; many share a time
		all = append(all, ev(i, fmt.Sprintf("2026-02-%02d %02d:00:00", 1+r.IntN(5), r.IntN(4))))
	}
	for from := 0; from < len(all); { // batches overlap
		to := min(len(all), from+1+r.IntN(40))
		w.store(w.Project, all[max(0, from-r.IntN(20)):to]...)
		from = to
	}
	whole := w.walk("", 1000)
	at := map[string]event.Millis{}
	for _, e := range all {
		at[e.InsertID] = e.Time
	}
	if len(whole) != len(all) || !slices.IsSortedFunc(whole, func(a, b string) int { return int(at[b] - at[a]) }) {
		t.Fatalf("seed %d: %d events, or not the newest first: %v", seed, len(whole), whole)
	}
	for _, limit := range []int{7, 60, 119, 120} {
		if got := w.walk("", limit); !slices.Equal(got, whole) {
			t.Errorf("seed %d: pages of %d: %v, want %v", seed, limit, got, whole)
		}
	}
	if ids, next := w.page(""); len(ids) != 100 || next == "" {
		t.Errorf("the default page has %d, next %q", len(ids), next)
	}
	var some []string
	for _, id := range whole {
		if day := at[id].Day(); day >= "2026-02-02" && day <= "2026-02-03" {
			some = append(some, id)
		}
	}
	if got := w.walk("from=2026-02-02&to=2026-02-03", 1); !slices.Equal(got, some) {
		t.Errorf("seed %d: from, to: %v, want %v", seed, got, some)
	}
}

// What arrives between two pages makes nothing repeat and nothing else missing.
func TestArrivalsBetweenPages(t *testing.T) {
	t.Parallel()
	w := ann(t)
	n := 0
	add := func(when string) string {
		n++
		e := ev(n, when)
		w.store(w.Project, e)
		return e.InsertID
	}
	var before []string
	for i := range 12 { // all at one of two times, on two days
		before = append(before, add(fmt.Sprintf("2026-02-0%d 12:00:00", 1+i%2)))
	}
	var got, late []string
	cursor := ""
	for i := 0; ; i++ {
		ids, next := w.page("limit=2" + cursor)
		got = append(got, ids...)
		if next == "" {
			break
		}
		cursor = "&cursor=" + next
		if i < 5 {
			add("2026-02-03 12:00:00")                      // newer than every page so far
			late = append(late, add("2026-01-31 12:00:00")) // late: older than all
			add("2026-02-02 12:00:00")                      // in the middle of what is being read
			add(fmt.Sprintf("2026-02-01 1%d:30:00", i))
		}
	}
	seenOnce := map[string]int{}
	for _, id := range got {
		seenOnce[id]++
		if seenOnce[id] > 1 {
			t.Errorf("%s repeats", id)
		}
	}
	for _, id := range append(before, late...) {
		if seenOnce[id] != 1 {
			t.Errorf("%s is missing", id)
		}
	}
}

// An event of which a later copy arrived is shown once, as the latest says.
func TestDuplicatesAreShownOnce(t *testing.T) {
	t.Parallel()
	w := ann(t)
	e := ev(1, "2026-02-01 12:00:00")
	w.store(w.Project, e, ev(2, "2026-02-01 12:00:00"))
	w.store(w.Project, e)
	e.Properties, e.Received = `{"a":"corrected"}`, 9
	w.store(w.Project, e)
	rec := w.get("/v1/people/ann/events")
	if got := rec.Body.String(); strings.Count(got, `"i1"`) != 1 || !strings.Contains(got, "corrected") || strings.Count(got, `"event"`) != 2 {
		t.Error(got)
	}
}

func TestCursorsAreSealed(t *testing.T) {
	t.Parallel()
	w := ann(t)
	w.store(w.Project, ev(1, "2026-02-01 12:00:00"), ev(2, "2026-02-01 12:00:00"), ev(3, "2026-02-02 12:00:00"))
	_, cursor := w.page("limit=1")
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || cursor != url.QueryEscape(cursor) {
		t.Fatalf("%s: %v", cursor, err)
	}
	for i := range raw {
		forged := slices.Clone(raw)
		forged[i] ^= 1
		w.refused(w.get("/v1/people/ann/events?cursor="+base64.RawURLEncoding.EncodeToString(forged)), http.StatusBadRequest)
	}
	w.refused(w.get("/v1/people/bob/events?cursor="+cursor), http.StatusBadRequest)
	if ids, _ := w.page("cursor=" + cursor); len(ids) != 2 {
		t.Error(ids)
	}
}

// A page of large events ends early, and the next one goes on where it ended.
func TestPagesAreBoundedInBytes(t *testing.T) {
	t.Parallel()
	w := ann(t)
	const n = 12
	for i := range n {
		e := ev(i, fmt.Sprintf("2026-02-01 %02d:00:00", i))
		e.Properties = `{"x":["` + strings.Repeat("x", event.MaxBytes-1000) + `"]}`
		w.store(w.Project, e)
	}
	first, next := w.page("limit=1000")
	if len(first) < 5 || len(first) > 9 || first[0] != "i11" {
		t.Error(first)
	}
	if rest, end := w.page("limit=1000&cursor=" + url.QueryEscape(next)); len(first)+len(rest) != n || rest[len(rest)-1] != "i0" || end != "" {
		t.Error(first, rest, end)
	}
}
