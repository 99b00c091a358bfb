package person_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/firestore"
	"golang.org/x/sync/errgroup"

	"github.com/lethe-analytics/lethe/emulators/local"
	functionperson "github.com/lethe-analytics/lethe/functions/person"
	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
)

// dayOfMany is when the event of an identity was.
func dayOfMany(i int) time.Time { return seen.AddDate(0, 0, -(i * 7919 % 365)) }

// fillPerson makes ann a person of so many identities, as links by token leave them. Each
// has one event (dayOfMany); the first device was seen first.
func (w *world) fillPerson(identities int) {
	w.t.Helper()
	w.person(w.Project, "ann", person.Doc{DistinctID: "ann", FirstSeen: seen, Joined: true, Identified: "$identify"})
	g, ctx := errgroup.WithContext(context.Background())
	g.SetLimit(4)
	const batch = 200
	for from := 1; from < identities; from += batch {
		g.Go(func() error {
			return w.Default.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
				for i := from; i < min(identities, from+batch); i++ {
					id := fmt.Sprint(device, i)
					doc := person.Doc{DistinctID: id, FirstSeen: seen.Add(time.Duration(i-identities) * time.Second),
						Link: &person.Link{To: w.keyOf("ann"), By: "token", Event: "$identify", Received: seen}}
					if err := tx.Set(person.Ref(w.Default, w.Project.ID, w.keyOf(id)), doc); err != nil {
						return err
					}
					e := event.Event{Name: "Seen", DistinctID: id, InsertID: fmt.Sprint("i", i), Received: 1, Properties: `{"a":1}`,
						Time: event.Millis(seen.AddDate(0, 0, -(i*7919%365)).UnixMilli() + int64(i))}
					for _, c := range chunk.Build(w.Project.ID, []event.Event{e}) {
						if err := tx.Set(chunk.Ref(w.Default, w.Project.ID, w.keyOf(id), c.ID), c.Doc); err != nil {
							return err
						}
					}
				}
				return nil
			})
		})
	}
	if err := g.Wait(); err != nil {
		w.t.Fatal(err)
	}
}

// Nothing is missing of a person of a thousand identities and more.
func TestManyIdentities(t *testing.T) {
	t.Parallel()
	d := newPrivacyDesk(t)
	const many = 1200
	d.fillPerson(many)
	last := fmt.Sprint(device, many-1)
	for _, id := range []string{"ann", last} {
		a := d.profile(id)
		if a.Identities != many || len(a.DistinctIDs) != 1000 || len(a.Links) != 1000 || !slices.Contains(a.DistinctIDs, id) {
			t.Errorf("%s: got %d identities, %d distinct_ids, %d links, want %d and the first 1000", id, a.Identities, len(a.DistinctIDs), len(a.Links), many)
		}
		if want := seen.Add((1 - many) * time.Second); !a.FirstSeen.Equal(want) {
			t.Errorf("%s: got first seen %v, want %v", id, a.FirstSeen, want)
		}
	}
	listed := map[string]bool{}
	for i, l := range d.walkLinks(last, 499) {
		if listed[l.DistinctID] || l.Person != (i == 0) || i > 0 && (l.To != "ann" || l.By != "token" || l.Event != "$identify" || !l.Received.Equal(seen)) {
			t.Errorf("got %+v, want each once, and linked to ann", l)
		}
		listed[l.DistinctID] = true
	}
	if len(listed) != many {
		t.Errorf("got %d in the list, want %d", len(listed), many)
	}
	events := d.walk("", 700)
	if slices.Sort(events); len(events) != many-1 || len(slices.Compact(events)) != many-1 {
		t.Errorf("got %d events, want %d", len(events), many-1)
	}
}

// The project's days are read while they hold less than the person has identities, and the
// identities one by one from where they hold more: nothing is missing and nothing comes
// twice.
func TestTimelineBesideACrowd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const many = 90
	w.fillPerson(many)
	var crowd []event.Event
	for i := range 2 * many {
		e := ev(i, "2025-10-20 12:00:00")
		e.DistinctID = fmt.Sprint("other", i)
		crowd = append(crowd, e)
	}
	w.store(w.Project, crowd...)
	whole := w.walk("", 1000)
	if got := slices.Sorted(slices.Values(whole)); len(got) != many-1 || len(slices.Compact(got)) != many-1 {
		t.Errorf("got %v, want %d", whole, many-1)
	}
	for _, limit := range []int{7, 88} {
		if got := w.walk("", limit); !slices.Equal(got, whole) {
			t.Errorf("pages of %d: got %v, want %v", limit, got, whole)
		}
	}
	want := 0
	for i := 1; i < many; i++ {
		if day := dayOfMany(i).Format(time.DateOnly); day >= "2025-10-10" && day <= "2025-10-30" {
			want++
		}
	}
	if got := w.walk("from=2025-10-10&to=2025-10-30", 1000); len(got) != want || want == 0 {
		t.Errorf("got %v of three weeks, want %d", got, want)
	}
}

// A list of links goes through merges of users, and behind whoever has gone.
func TestLinksOfMergedUsers(t *testing.T) {
	t.Parallel()
	d := newPrivacyDesk(t)
	want := []string{"ann"}
	for _, user := range []string{"eve", "kim", "joe"} {
		for i := range 4 {
			id := fmt.Sprint(device, user, i)
			d.connect(id, user, event.ByToken, seen)
			want = append(want, id)
		}
		want = append(want, user)
	}
	d.link("eve", "ann")
	d.link("kim", "eve")
	d.link("joe", "ann")
	for _, limit := range []int{1, 2, 5, 16, 100} {
		var got []string
		for _, l := range d.walkLinks("kim", limit) {
			got = append(got, l.DistinctID)
		}
		if slices.Sort(got); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
			t.Errorf("pages of %d: got %v, want %v", limit, got, want)
		}
	}
	if a := d.profile("kim"); a.Identities != len(want) || len(a.DistinctIDs) != len(want) || len(a.Links) != len(want)-1 {
		t.Errorf("got %+v, want %d identities", a, len(want))
	}
	// Whom the cursor names is another person's by the next page: the rest comes all the same.
	var page functionperson.Links
	d.answered(d.call("GET", "ann", "/links?limit=2", ""), &page)
	gone := page.Links[1].DistinctID
	if rec := d.call("DELETE", "ann", "/links/"+gone, ""); rec.Code != http.StatusNoContent {
		t.Fatalf("got %d %s, want 204", rec.Code, rec.Body)
	}
	left := d.profile("ann").Identities
	var rest functionperson.Links
	d.answered(d.call("GET", "ann", "/links?limit=100&cursor="+page.NextCursor, ""), &rest)
	if len(rest.Links) != left-1 {
		t.Errorf("got %+v after the page, want %d", rest.Links, left-1)
	}
}

// An event shows another identity by its distinct_id while that is known, and as long as
// the caller may know it.
func TestTimelineNamesIdentities(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	d := &privacyDesk{o.world, o.privacy}
	d.users("bob", "alice")
	claim := old(1, "bob", `{"$anon_distinct_id":"alice","$user_id":"bob","$device_id":"none"}`)
	claim.Name = "$identify"
	o.deliver([]event.Event{claim})
	shown := func(key string) string { return d.as(key, "GET", "bob", "/events", "").Body.String() }
	for _, want := range []string{`"$anon_distinct_id":"alice"`, `"$user_id":"bob"`, `"$device_id":"identity:` + string(o.keyOf(device[:len(device)-4]+"none"))} {
		if got := shown(d.key); !strings.Contains(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	d.restriction("PUT", "alice", `{}`)
	hidden := `"$anon_distinct_id":"identity:` + string(o.keyOf("alice")) + `"`
	if got := shown(d.key); strings.Contains(got, "alice") || !strings.Contains(got, hidden) {
		t.Errorf("got %s, want nothing of who is restricted", got)
	}
	if got := shown(o.privacy); !strings.Contains(got, `"$anon_distinct_id":"alice"`) {
		t.Errorf("got %s, want alice for the role privacy", got)
	}
	d.person(d.Project, "alice", person.Doc{ErasedAt: time.Now()})
	if got := shown(o.privacy); strings.Contains(got, "alice") || !strings.Contains(got, hidden) {
		t.Errorf("got %s, want nothing of who is erased", got)
	}
}

// BenchmarkTimelineOfManyIdentities reads the first page of a person's timeline.
func BenchmarkTimelineOfManyIdentities(b *testing.B) {
	for _, identities := range []int{1000, 10_000} {
		b.Run(fmt.Sprint(identities), func(b *testing.B) {
			w := newWorld(b)
			w.fillPerson(identities)
			for b.Loop() {
				ids, next := w.page("limit=100")
				if len(ids) != 100 || next == "" {
					b.Fatalf("got %d events, next %q, want 100 and more", len(ids), next)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(identities), "µs/identity")
		})
	}
}

// BenchmarkPersonOfManyIdentities reads what is told of a person.
func BenchmarkPersonOfManyIdentities(b *testing.B) {
	for _, identities := range []int{1000, 10_000} {
		b.Run(fmt.Sprint(identities), func(b *testing.B) {
			w := newWorld(b)
			w.fillPerson(identities)
			var a functionperson.Profile
			for b.Loop() {
				local.Answered(b, w.get("/v1/people/ann"), &a)
				if a.Identities != identities {
					b.Fatalf("got %d, want %d", a.Identities, identities)
				}
			}
		})
	}
}
