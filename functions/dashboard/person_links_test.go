package dashboard_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/identity"
	"github.com/lethe-analytics/lethe/shared/join"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/project"
)

const (
	device = identity.DevicePrefix + "7f3c"
	either = "0198e0b5-1111-7000-8000-000000000001"
)

// connect does what the link worker does with a claim.
func (o *bureau) connect(who, whose string, by event.Speaker) {
	o.t.Helper()
	named := func(id string) person.Named {
		return person.Named{Key: person.MakeKey(o.Project.Secret, id), DistinctID: id}
	}
	_, said := identity.Claim{Who: who, Whose: whose}.Weigh(o.Project.UserIDs)
	linked, err := person.Connect(o.t.Context(), o.Databases, o.Project.ID, person.Claim{Who: named(who), Whose: named(whose), Said: said,
		Link: person.Link{By: by.String(), Event: "$identify", Received: time.Now().UTC().Truncate(time.Microsecond), Message: "m"}})
	if err == nil && linked.Pending != "" {
		err = join.Settle(o.t.Context(), o.Databases, o.Project.ID, linked.Pending, func() bool { return true })
	}
	if err != nil {
		o.t.Fatal(err)
	}
}

// ids are the distinct_ids that the API counts as a person's.
func (o *bureau) ids(of string) string {
	o.t.Helper()
	var a struct {
		DistinctIDs []string `json:"distinct_ids"`
	}
	o.ask("/v1/people/"+url.PathEscape(of), &a)
	return strings.Join(a.DistinctIDs, " ")
}

// ends is the value of an option that names a link.
func ends(t *testing.T, id, to string) string {
	t.Helper()
	text, err := json.Marshal([]string{id, to})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var addresses = regexp.MustCompile(`(?:href|action)="([^"]*)"`)

// unnamed checks that no address on a page names somebody.
func unnamed(t *testing.T, body string, ids ...string) {
	t.Helper()
	for _, m := range addresses.FindAllStringSubmatch(body, -1) {
		to, err := url.QueryUnescape(m[1])
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range ids {
			if strings.Contains(to, id) {
				t.Errorf("got the address %s, want none with %s", m[1], id)
			}
		}
	}
}

// Who has linked each id is shown; a link is confirmed, made and taken back, and what is
// asked for the person covers what is linked then.
func TestPersonLinks(t *testing.T) {
	t.Parallel()
	o := newBureau(t)
	for _, id := range []string{"bob", "eve", device, either} {
		o.happened("Paid", 1, `{}`, id)
	}
	o.connect(device, "bob", event.ByProof)
	o.connect(either, "bob", event.ByToken)
	b := o.signIn(o.newKey(project.Privacy))
	to := b.find("bob")
	rec := b.get(to, http.StatusOK)
	labelled(t, rec)
	unnamed(t, rec.Body.String(), "bob", "7f3c", either)
	has(t, rec, "It covers all 2 ids", "Ids whose link is not confirmed are not covered", "counts in reports alone", "Take back…", "Confirm a link…", "Link another id…")
	if got := b.records(to + "&format=csv&table=identities"); len(got) != 4 || got[1][0] != "bob" || got[2][0] != either || got[2][1] != "not confirmed" || got[2][2] != "bob" || got[2][3] != "the SDK" ||
		got[3][0] != device || got[3][1] != "linked" || got[3][3] != "a proof" || !strings.HasPrefix(got[3][4], time.Now().UTC().Format("2006-01")) {
		t.Errorf("got %v, want bob, the id that is not confirmed, and the device", got)
	}
	has(t, b.get(b.find(either), http.StatusOK), "It covers this one id", "not confirmed")
	sure := b.post(to, url.Values{"do": {"delete"}}, http.StatusOK)
	has(t, sure, "Delete this person?", "It covers all 2 ids", "not confirmed are not covered", "can not be undone")

	has(t, b.get(b.goes(to, url.Values{"do": {"confirm-link"}, "link": {ends(t, either, "bob")}}), http.StatusOK), "The link is confirmed", "It covers all 3 ids", "a key (")
	if got, want := o.ids("bob"), "$device:7f3c "+either+" bob"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	rec = b.get(b.goes(to, url.Values{"do": {"unlink"}, "link": {ends(t, either, "bob")}}), http.StatusOK)
	has(t, rec, "The link is taken back", "It covers all 2 ids")
	lacks(t, rec, "Confirm a link…", "not confirmed")
	has(t, b.get(b.find(either), http.StatusOK), "link taken back", "a key (")
	has(t, b.post(to, url.Values{"do": {"unlink"}, "link": {ends(t, "eve", "bob")}}, http.StatusNotFound), "no link joins")
	has(t, b.post(to, url.Values{"do": {"unlink"}}, http.StatusBadRequest), "Choose a link")

	wrong := b.post(to, url.Values{"do": {"link"}, "distinct_id": {"guest"}}, http.StatusBadRequest)
	has(t, wrong, "“Other id” needs another look", `value="guest"`, "placeholder")
	labelled(t, wrong)
	has(t, b.get(b.goes(to, url.Values{"do": {"link"}, "distinct_id": {"eve"}}), http.StatusOK), "The id is linked", "It covers all 3 ids", "eve")
	b.goes(to, url.Values{"do": {"unlink"}, "other": {"eve"}})
	if got := o.ids("bob"); got != "$device:7f3c bob" {
		t.Errorf("got %s, want bob and the device", got)
	}
}

// A person of many ids is shown by the first of them; any link can be taken back.
func TestPersonOfMany(t *testing.T) {
	t.Parallel()
	o := newBureau(t)
	o.happened("Paid", 1, `{}`, "bob")
	to := person.MakeKey(o.Project.Secret, "bob")
	batch := o.Default.BulkWriter(t.Context())
	for i := range 60 {
		id := fmt.Sprintf("%s-%02d", device, i)
		doc := person.Doc{DistinctID: id, FirstSeen: time.Now(), Link: &person.Link{To: to, By: "token", Received: time.Unix(int64(i), 0)}}
		if _, err := batch.Set(person.Ref(o.Default, o.Project.ID, person.MakeKey(o.Project.Secret, id)), doc); err != nil {
			t.Fatal(err)
		}
	}
	batch.End()
	if _, err := person.Ref(o.Default, o.Project.ID, to).Update(t.Context(), joined); err != nil {
		t.Fatal(err)
	}
	b := o.signIn(o.newKey(project.Privacy))
	page := b.find("bob")
	rec := b.get(page, http.StatusOK)
	has(t, rec, "It covers all 61 ids", "… and 11 more")
	labelled(t, rec)
	if got := b.records(page + "&format=csv&table=identities"); len(got) != 51 || got[1][0] != "bob" || got[50][0] != device+"-48" {
		t.Errorf("got %d rows, the last %v, want 50 and %s-48", len(got)-1, got[len(got)-1], device)
	}
	has(t, b.get(b.goes(page, url.Values{"do": {"unlink"}, "other": {device + "-59"}}), http.StatusOK), "It covers all 60 ids")
}

// What was said without effect is shown with the rule's words, and by whom consent was.
func TestPersonWithoutEffect(t *testing.T) {
	t.Parallel()
	o := newBureau(t)
	for _, id := range []string{"bob", "eve"} {
		o.happened("Paid", 1, `{}`, id)
	}
	b := o.signIn(o.newKey(project.Privacy))
	to := b.find("bob")
	lacks(t, b.get(to, http.StatusOK), "What had no effect")
	o.connect("bob", "eve", event.ByToken)
	bob := person.Ref(o.Default, o.Project.ID, person.MakeKey(o.Project.Secret, "bob"))
	if _, err := bob.Update(t.Context(), noRoom); err != nil {
		t.Fatal(err)
	}
	rec := b.get(to, http.StatusOK)
	has(t, rec, "What had no effect", "The profile is full", "no effect since then: 7", "two users are one", "the other&#39;s erasure", ">1<")
	b.goes(to, url.Values{"do": {"consent"}, "state": {"denied"}})
	if got := b.records(to + "&format=csv&table=consents"); len(got) != 2 || got[0][2] != "Said by" || got[1][2] != "a key" {
		t.Errorf("got %v, want a denial by a key", got)
	}
}
