package person_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/shared/amend"
	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
)

// Each half has what was said under its own ids, and both have all that restricts.
func TestUnlinkedHalves(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.workOnLinks()
	d := &privacyDesk{o.world, o.privacy}
	now := event.Now()
	op := func(id string, n int, value string) event.Op {
		return event.Op{DistinctID: id, Name: "$set", Value: value, Received: now - 60_000 + event.Millis(n), Request: fmt.Sprint(id, n)}
	}
	o.deliver([]event.Event{old(1, "ann", `{"x":1}`), old(2, "eve", `{"x":2}`)}, op("ann", 0, `{"a":1}`), op("eve", 1, `{"e":1}`))
	d.answered(d.call("POST", "ann", "/links", `{"distinct_id":"eve"}`), new(any))
	if ids, _ := o.page(""); len(ids) != 2 {
		t.Errorf("got %v, want the events of both", ids)
	}
	for _, said := range [][2]string{{"ann", "granted"}, {"eve", "denied"}} {
		d.answered(d.call("PUT", said[0], "/consent", `{"state":"`+said[1]+`"}`), new(any))
	}
	d.restriction("PUT", "eve", `{"reason":"r"}`)
	hold := person.Hold{Since: seen, Reason: "court", Actor: "k"}
	amendment := amend.Amendment{At: time.Now().UTC().Truncate(time.Millisecond), Request: "q", Properties: []string{"x"}}
	if _, err := o.personRef("ann").Set(t.Context(), map[string]any{"hold": hold, "amendments": []amend.Amendment{amendment}}, mergeAll); err != nil {
		t.Fatal(err)
	}
	if rec := d.call("DELETE", "ann", "/links/eve", ""); rec.Code != http.StatusNoContent {
		t.Fatalf("got %d %s, want 204", rec.Code, rec.Body)
	}
	for id, want := range map[string]struct {
		profile string
		history string
	}{"ann": {`{"a":1}`, "granted"}, "eve": {`{"e":1}`, "denied"}} {
		a := d.profile(id)
		if string(a.Profile) != want.profile || a.Identities != 1 || a.Consent.State != consent.Denied || a.Restriction == nil || a.Restriction.Reason != "r" {
			t.Errorf("%s: got %+v, want profile %s, denied and restricted", id, a, want.profile)
		}
		if doc := o.personDoc(id); doc.Hold == nil || *doc.Hold != hold {
			t.Errorf("%s: got %+v, want the hold", id, doc.Hold)
		}
		h := d.consents(id, "")
		if len(h.History) != 1 || string(h.History[0].State) != want.history || h.State != consent.Denied {
			t.Errorf("%s: got %+v, want %s under its own id", id, h, want.history)
		}
		denied := o.optOut(id)
		if denied.State != consent.Denied {
			t.Errorf("%s: got %+v at the edge, want a denial", id, denied)
		}
	}
	if ids, _ := o.pageOf("ann", o.privacy, ""); len(ids) != 1 || ids[0] != "i1" {
		t.Errorf("got %v, want ann's event alone", ids)
	}
	if linked := d.connect("eve", "ann", event.ByToken, time.Now()); linked.News && linked.Outcome == "taken" {
		t.Errorf("got %+v, want that no token links them again", linked)
	}
}

// A change of a link that was cut off is finished by the same request again.
func TestLinksAreFinished(t *testing.T) {
	t.Parallel()
	d := newPrivacyDesk(t)
	received := event.Now() - 60_000
	for n, id := range []string{"ann", "eve", "web", "tv"} {
		d.person(d.Project, id, person.Doc{DistinctID: id, FirstSeen: seen})
		d.operate(id, event.Op{Name: "$set", Value: fmt.Sprintf(`{%q:1}`, id), Received: received + event.Millis(n), Request: id})
	}
	d.link("web", "eve")
	d.link("tv", "web")
	// A kill leaves it where the person of a whole was joined, far from the identity named.
	claim := person.Claim{Who: person.Named{Key: d.keyOf("tv"), DistinctID: "tv"}, Whose: person.Named{Key: d.keyOf("ann"), DistinctID: "ann"}, Said: "link_users",
		Link: person.Link{By: event.ByKey.String(), Received: time.Now()}}
	cut, err := person.Connect(t.Context(), d.Databases, "app", claim)
	if err != nil || cut.Pending != d.keyOf("eve") {
		t.Fatalf("got %+v, %v, want something pending at eve", cut, err)
	}
	if got := string(d.profile("tv").Profile); got != `{"ann":1}` {
		t.Errorf("got %s before the profile is folded, want ann's", got)
	}
	d.answered(d.call("POST", "ann", "/links", `{"distinct_id":"tv"}`), new(any))
	if got, want := string(d.profile("tv").Profile), `{"ann":1,"eve":1,"tv":1,"web":1}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if cut, err = person.Disconnect(t.Context(), d.Databases, "app", d.keyOf("tv"), d.keyOf("ann"), "k", time.Now()); err != nil || cut.Pending != d.keyOf("eve") {
		t.Fatalf("got %+v, %v, want something pending at eve", cut, err)
	}
	if rec := d.call("DELETE", "tv", "/links/ann", ""); rec.Code != http.StatusNoContent {
		t.Errorf("got %d %s, want 204", rec.Code, rec.Body)
	}
	for id, want := range map[string]string{"ann": `{"ann":1}`, "tv": `{"eve":1,"tv":1,"web":1}`} {
		if got := string(d.profile(id).Profile); got != want {
			t.Errorf("%s: got %s, want %s", id, got, want)
		}
	}
	if doc := d.doc("eve"); doc.Pending != nil {
		t.Errorf("got %+v, want nothing pending", doc.Pending)
	}
	d.refused(d.call("DELETE", "tv", "/links/ann", ""), http.StatusNotFound)
}
