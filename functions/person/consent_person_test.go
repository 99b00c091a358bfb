package person_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"testing"
	"time"

	functionperson "github.com/lethe-analytics/lethe/functions/person"
	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/topology"
)

// What is said of one identity holds for all, and the job that tells the edge of the others
// is published before the answer.
func TestConsentOfAPerson(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	d := &privacyDesk{o.world, o.privacy}
	d.users("ann", "web", "tv", "bob")
	d.link("web", "ann")
	d.link("tv", "ann")
	var said functionperson.Consent
	d.answered(d.call("PUT", "web", "/consent", `{"state":"denied"}`), &said)
	if said.By != "key" || said.State != consent.Denied {
		t.Errorf("got %+v, want a key's denial", said)
	}
	messages := o.Pull(t, o.ps, topology.PushSubscription(topology.TopicLinks, "link-worker"), 10)
	var task struct{ Spread person.Key }
	if err := json.Unmarshal(messages[0].Data, &task); err != nil || len(messages) != 1 || task.Spread != d.keyOf("web") || messages[0].Attributes["project"] != "app" {
		t.Errorf("got %s of %d messages, %v, want the job of web", messages[0].Data, len(messages), err)
	}
	for _, id := range []string{"ann", "web", "tv"} {
		a := d.consents(id, "")
		if a.State != consent.Denied || a.By != "key" || len(a.History) != 1 || a.History[0].DistinctID != "web" || a.History[0].By != "key" {
			t.Errorf("%s: got %+v, want web's denial", id, a)
		}
		if got := d.profile(id).Consent.State; got != consent.Denied {
			t.Errorf("%s: got %s, want denied", id, got)
		}
	}
	// A token says yes, and the key's no stands.
	granted := person.Consent{State: consent.Granted, At: time.Now(), By: event.ByToken.String()}
	if _, _, err := person.SetConsent(t.Context(), o.Databases, "app", d.keyOf("tv"), granted); err != nil {
		t.Fatal(err)
	}
	a := d.consents("ann", "")
	if a.State != consent.Denied || len(a.History) != 2 || a.History[0].By != "token" || a.History[0].DistinctID != "tv" {
		t.Errorf("got %+v, want the denial in force after tv's grant", a)
	}
	if got := d.profile("tv").Refused; len(got) != 1 || got[0].Reason != "consent_undo" {
		t.Errorf("got %+v, want that the grant had no effect", got)
	}
	o.workOnLinks()
	d.answered(d.call("PUT", "web", "/consent", `{"state":"denied"}`), &said)
	eventually(t, func() error {
		for _, id := range []string{"ann", "web", "tv"} {
			if got := o.optOut(id).State; got != consent.Denied {
				return fmt.Errorf("%s: got %s at the edge, want denied", id, got)
			}
		}
		return nil
	})
	// Of a person of one identity there is nothing to spread.
	d.answered(d.call("PUT", "bob", "/consent", `{"state":"denied"}`), &said)
	if got := o.optOut("bob").State; got != consent.Denied {
		t.Errorf("got %s at the edge, want denied", got)
	}
}

// The history of many identities comes in pages of any size, the newest first, each entry
// once, whichever identity is asked about.
func TestConsentHistoryOfMany(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	d := &privacyDesk{o.world, o.privacy}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	ids := []string{"ann", "web", "tv", "car"}
	d.users(ids...)
	for _, id := range ids[1:] {
		d.link(id, "ann")
	}
	var want []string
	for i := range 40 {
		c := person.Consent{State: consent.Granted, Source: fmt.Sprint("s", i), At: seen.Add(time.Duration(r.IntN(15)) * time.Second), By: "token"}
		under := ids[r.IntN(len(ids))]
		if _, _, err := person.SetConsent(t.Context(), o.Databases, "app", d.keyOf(under), c); err != nil {
			t.Fatal(err)
		}
		want = append(want, c.Source+" "+under)
	}
	slices.Sort(want)
	for _, limit := range []int{1 + r.IntN(10), 39, 40, 100} {
		id := ids[r.IntN(len(ids))]
		var all []functionperson.SaidConsent
		for cursor := ""; ; {
			a := d.consents(id, fmt.Sprintf("limit=%d&cursor=%s", limit, url.QueryEscape(cursor)))
			all = append(all, a.History...)
			if cursor = a.NextCursor; cursor == "" {
				break
			}
			if len(a.History) != limit {
				t.Fatalf("seed %d: got a page of %d before the end, want %d", seed, len(a.History), limit)
			}
		}
		if !slices.IsSortedFunc(all, func(a, b functionperson.SaidConsent) int { return b.At.Compare(a.At) }) {
			t.Errorf("seed %d: got %+v, want the newest first", seed, all)
		}
		var got []string
		for _, c := range all {
			got = append(got, c.Source+" "+c.DistinctID)
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("seed %d, limit %d: got %v, want %v", seed, limit, got, want)
		}
	}
}
