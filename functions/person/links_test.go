package person_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	functionperson "github.com/lethe-analytics/lethe/functions/person"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/identity"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/profile"
	"github.com/lethe-analytics/lethe/shared/project"
)

// device is a distinct_id that only an SDK makes.
const device = identity.DevicePrefix + "7f3c"

func (d *privacyDesk) profile(id string) (a functionperson.Profile) {
	d.t.Helper()
	d.answered(d.call("GET", id, "", ""), &a)
	return a
}

// walkLinks reads the list of links in pages.
func (d *privacyDesk) walkLinks(id string, limit int) (all []functionperson.Link) {
	d.t.Helper()
	cursor := ""
	for {
		var a functionperson.Links
		d.answered(d.call("GET", id, fmt.Sprintf("/links?limit=%d%s", limit, cursor), ""), &a)
		if all = append(all, a.Links...); a.NextCursor == "" {
			return all
		}
		if len(a.Links) != limit {
			d.t.Fatalf("got a page of %d before the end, want %d", len(a.Links), limit)
		}
		cursor = "&cursor=" + url.QueryEscape(a.NextCursor)
	}
}

func (d *privacyDesk) users(ids ...string) {
	for _, id := range ids {
		d.person(d.Project, id, person.Doc{DistinctID: id, FirstSeen: seen})
	}
}

// A second user who logs in on a device without reset makes nobody one person with the
// first, whatever the project says of its user ids; both show it.
func TestTokenJoinsNoTwoUsers(t *testing.T) {
	t.Parallel()
	for _, ids := range [][2]string{{"alice", "bob"}, {"0198e0b5-1111-7000-8000-000000000001", "0198e0b5-1111-7000-8000-000000000002"}} {
		o := newOffice(t)
		alice, bob := ids[0], ids[1]
		d := &privacyDesk{o.world, o.privacy}
		if _, err := o.Default.Doc("projects/app").Set(t.Context(), map[string]any{"user_ids": identity.UserIDsUUID}, mergeAll); err != nil {
			t.Fatal(err)
		}
		o.workOnLinks()
		for _, id := range ids {
			e := old(1, id, `{}`)
			o.deliver([]event.Event{e}, event.Op{DistinctID: id, Name: "$set", Value: fmt.Sprintf(`{"email":"of %s"}`, id), Received: e.Received, Request: "r " + id})
		}
		claim := old(2, bob, fmt.Sprintf(`{"$anon_distinct_id":%q}`, alice))
		claim.Name = "$identify"
		o.deliver([]event.Event{claim})
		eventually(t, func() error {
			if got := d.profile(alice).Refused; len(got) != 1 || got[0].Reason != identity.LinkUsers || got[0].Count != 1 || got[0].More || got[0].What != "two users are one" || got[0].Why == "" {
				return fmt.Errorf("got %+v, want a refused link of two users", got)
			}
			return nil
		})
		for _, id := range ids {
			a := d.profile(id)
			if want := fmt.Sprintf(`{"email":"of %s"}`, id); string(a.Profile) != want || a.Identities != 1 || len(a.DistinctIDs) != 1 || a.DistinctIDs[0] != id {
				t.Errorf("got %+v, want %s alone", a, id)
			}
		}
		var timeline functionperson.Timeline
		o.answered(o.get("/v1/people/"+bob+"/events"), &timeline)
		if len(timeline.Events) != 2 {
			t.Errorf("got %d events of bob, want 2", len(timeline.Events))
		}
	}
}

// A provisional link is listed, and nothing else follows it.
func TestProvisionalLinks(t *testing.T) {
	t.Parallel()
	d := newPrivacyDesk(t)
	const either = "0198e0b5-1111-7000-8000-000000000001"
	d.users("bob", either, device)
	d.connect(either, "bob", event.ByToken, seen)
	d.connect(device, "bob", event.ByToken, seen.Add(time.Second))
	want := `[{"distinct_id":"` + either + `","to":"bob","by":"token","event":"$identify","received":"2026-02-01T12:30:00Z","provisional":true},` +
		`{"distinct_id":"` + device + `","to":"bob","by":"token","event":"$identify","received":"2026-02-01T12:30:01Z"}]`
	a := d.profile("bob")
	if got, err := json.Marshal(a.Links); err != nil || string(got) != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
	if a.Identities != 2 || fmt.Sprint(a.DistinctIDs) != fmt.Sprint([]string{device, "bob"}) {
		t.Errorf("got %+v, want bob and the device", a)
	}
	if a := d.profile(either); a.Identities != 1 || len(a.Links) != 1 || !a.Links[0].Provisional || a.Links[0].To != "bob" {
		t.Errorf("got %+v, want a person with a provisional link", a)
	}
	listed := d.walkLinks("bob", 1)
	if len(listed) != 3 || !listed[0].Person || listed[0].DistinctID != "bob" || listed[0].By != "" {
		t.Errorf("got %+v, want bob first, and two who are linked to him", listed)
	}
	for _, l := range listed[1:] {
		if l.Provisional != (l.DistinctID == either) || l.Person || l.To != "bob" {
			t.Errorf("got %+v, want it provisional if it is of %s", l, either)
		}
	}
	// Whom a provisional link joins is a person who may be restricted.
	d.restriction("PUT", either, `{}`)
	if got := d.as(d.key, "GET", "bob", "", "").Body.String(); strings.Contains(got, either) || !strings.Contains(got, device) {
		t.Errorf("got %s, want nothing of who is restricted", got)
	}
	if got := d.call("GET", "bob", "", "").Body.String(); !strings.Contains(got, either) {
		t.Errorf("got %s, want all for the role privacy", got)
	}
}

// An identity whose distinct_id is not known is told by its key, to who may know it.
func TestLinksOfTheUnknown(t *testing.T) {
	t.Parallel()
	d := newPrivacyDesk(t)
	d.users("bob")
	if _, err := person.Ref(d.Default, "app", d.keyOf("bob")).Set(t.Context(), map[string]any{"joined": true}, mergeAll); err != nil {
		t.Fatal(err)
	}
	d.person(d.Project, "unknown", person.Doc{Link: &person.Link{To: d.keyOf("bob"), By: "key", Actor: strings.Repeat("ab", 32), Received: seen}})
	key := string(d.keyOf("unknown"))
	a := d.profile("bob")
	if len(a.Links) != 1 || string(a.Links[0].Key) != key || a.Links[0].DistinctID != "" || a.Links[0].Actor != "abababababab" || a.Identities != 2 {
		t.Errorf("got %+v, want the key", a)
	}
	if got := d.as(d.key, "GET", "bob", "", "").Body.String(); strings.Contains(got, key) || strings.Contains(got, "abab") || !strings.Contains(got, `"identities":2`) {
		t.Errorf("got %s, want no key for a reader", got)
	}
	if got := d.walkLinks("bob", 100); len(got) != 2 || string(got[1].Key) != key {
		t.Errorf("got %+v, want the key", got)
	}
}

// A key joins two users, with all that is theirs, and takes the link back.
func TestLinksByKey(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	d := &privacyDesk{o.world, o.privacy}
	at := event.Now() - 60_000
	op := func(id string, n int, value string) event.Op {
		return event.Op{DistinctID: id, Name: "$set", Value: value, Received: at + event.Millis(n), Request: fmt.Sprint(id, n)}
	}
	events := []event.Event{old(1, "ann", `{}`), old(2, "eve", `{}`), old(3, device, `{}`)}
	o.deliver(events, op("ann", 0, `{"plan":"pro","n":1}`), op("eve", 1, `{"n":2}`), op(device, 2, `{"n":3,"os":"x"}`))
	d.connect(device, "eve", event.ByToken, at.Time())
	answer := d.call("POST", device, "/links", `{"distinct_id":"ann"}`)
	var made functionperson.Link
	d.answered(answer, &made)
	if made.DistinctID != "ann" || made.To != "eve" || made.By != "key" || made.Event != "" || made.Actor != project.Hash(o.privacy)[:12] || time.Since(made.Received) > time.Minute {
		t.Errorf("got %+v, want ann to be eve's, whose the device is", made)
	}
	for _, id := range []string{"ann", "eve", device} {
		a := d.profile(id)
		if string(a.Profile) != `{"n":3,"os":"x","plan":"pro"}` || a.Identities != 3 || len(a.DistinctIDs) != 3 || len(a.Links) != 2 {
			t.Errorf("%s: got %+v, want one person", id, a)
		}
	}
	if last := o.Access(t); last[3].Action != "link.create" || last[3].PersonCount != 2 || fmt.Sprint(last[3].Persons) != fmt.Sprint([]person.Key{d.keyOf(device), d.keyOf("ann")}) {
		t.Errorf("got %+v, want an entry of two persons", last[3])
	}
	d.answered(d.call("POST", "ann", "/links", `{"distinct_id":"eve"}`), &made) // the other way round
	if made.DistinctID != "ann" || made.To != "eve" {
		t.Errorf("got %+v, want the link that is there", made)
	}
	if rec := d.call("DELETE", "eve", "/links/ann", ""); rec.Code != http.StatusNoContent {
		t.Fatalf("got %d %s, want 204", rec.Code, rec.Body)
	}
	if last := o.Access(t)[0]; last.Action != "link.delete" || last.PersonCount != 2 {
		t.Errorf("got %+v, want an entry of two persons", last)
	}
	d.refused(d.call("DELETE", "eve", "/links/ann", ""), http.StatusNotFound)
	for id, want := range map[string]string{"ann": `{"n":1,"plan":"pro"}`, "eve": `{"n":3,"os":"x"}`, device: `{"n":3,"os":"x"}`} {
		if got := d.profile(id); string(got.Profile) != want {
			t.Errorf("%s: got %s, want %s", id, got.Profile, want)
		}
	}
	if got := d.profile("ann").Links; len(got) != 1 || got[0].To != "" || got[0].By != "key" {
		t.Errorf("got %+v, want that a key has taken the link back", got)
	}
}

// What is shown of a full profile, and of more statements than are told apart.
func TestWhatHadNoEffect(t *testing.T) {
	t.Parallel()
	d := newPrivacyDesk(t)
	var hashes []string
	for i := range person.MaxNoEffect {
		hashes = append(hashes, fmt.Sprint(i))
	}
	d.person(d.Project, "ann", person.Doc{DistinctID: "ann", FirstSeen: seen, NoRoom: 3, NoEffect: map[string][]string{"link_users": hashes, "consent_undo": {"x"}}})
	d.person(d.Project, "web", person.Doc{DistinctID: "web", FirstSeen: seen, NoEffect: map[string][]string{"consent_undo": {"x", "y"}}})
	d.link("web", "ann")
	a := d.profile("web")
	if a.NoRoom == nil || a.NoRoom.Operations != 3 || a.NoRoom.LimitBytes != profile.MaxBytes {
		t.Errorf("got %+v, want three operations without room", a.NoRoom)
	}
	if len(a.Refused) != 2 || a.Refused[0].Reason != identity.ConsentUndo || a.Refused[0].Count != 2 || a.Refused[0].More ||
		a.Refused[1].Reason != identity.LinkUsers || a.Refused[1].Count != person.MaxNoEffect || !a.Refused[1].More {
		t.Errorf("got %+v, want those of both documents", a.Refused)
	}
	for _, r := range a.Refused {
		if r.What == "" || r.Why == "" {
			t.Errorf("got %+v, want the rule's sentence", r)
		}
	}
	if a := d.profile("ann"); a.Refused[0].Count != 1 {
		t.Errorf("got %+v, want those of the person alone", a.Refused)
	}
}
