package person_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/firestore"

	functionperson "github.com/lethe-analytics/lethe/functions/person"
	"github.com/lethe-analytics/lethe/shared/amend"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/request"
)

// The new value is everywhere, the old one nowhere, and no delivery of old messages
// brings it back; what the SDK sends afterwards stands.
func TestRectify(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.work(time.Minute)
	events := []event.Event{
		old(1, "ann", `{"plan":"SECRET","\u0061.b":"SECRET","n":1}`), old(2, "ann", `{"plan":"gold","n":2}`), old(3, "ann", `{"n":3}`), old(4, "bob", `{"plan":"SECRET"}`),
	}
	ops := []event.Op{oldOp(0, "$set", `{"email":"SECRET","$name":"Ann"}`), oldOp(1, "$add", `{"visits":1}`), oldOp(2, "$append", `{"email":"SECRET"}`)}
	o.deliver(events, ops...)
	bob := o.everything("bob")
	body := `{"distinct_id":"ann","profile":{"email":"right","$phone":"new"},"reason":" she told us ","events":[
		{"where":"properties[\"plan\"] == \"SECRET\"","set":{"plan":"free","$source":"support"}},
		{"set":{"a.b":["x"]}}]}`
	asked := o.ask(body)
	if asked.Status != request.Queued || asked.Kind != request.Rectification || asked.CreatedAt.IsZero() {
		t.Errorf("%+v", asked)
	}
	if again := o.ask(body); again.ID != asked.ID {
		t.Error("the same request is another")
	}
	done := o.until(asked.ID, request.Done)
	if c := done.Counts; c == nil || c.Persons != 1 || c.Events.Changed != 3 || c.Events.Chunks != 1 || c.Events.Rewritten != 1 || c.Profile.Properties != 2 || c.Profile.Operations != 1 {
		t.Errorf("%+v", done.Counts)
	}
	if done.By != project.Hash(o.privacy)[:12] || done.Reason != "she told us" || fmt.Sprint(done.Properties) != "{[$phone email] [$source a.b plan]}" &&
		fmt.Sprint(done.Properties) != "{[email $phone] [$source a.b plan]}" || done.StartedAt.IsZero() || done.FinishedAt.Before(done.StartedAt) {
		t.Errorf("%+v", done)
	}
	check := func(when string) {
		t.Helper()
		if all := o.everything("ann"); strings.Contains(all, "SECRET") {
			t.Errorf("%s: %s", when, all)
		}
		var p functionperson.Profile
		o.answered(o.get("/v1/people/ann"), &p)
		if string(p.Profile) != `{"$name":"Ann","$phone":"new","email":"right","visits":1}` {
			t.Errorf("%s: profile %s", when, p.Profile)
		}
		timeline := o.get("/v1/people/ann/events").Body.String()
		for _, want := range []string{`"plan":"free","a.b":["x"],"n":1,"$source":"support"}`, `"plan":"gold","n":2,"a.b":["x"]}`, `"n":3,"a.b":["x"]}`} {
			if strings.Count(strings.ReplaceAll(timeline, `\u0061`, "a"), want) != 1 {
				t.Errorf("%s: no %s in %s", when, want, timeline)
			}
		}
		if strings.Count(timeline, `"event":`) != 3 {
			t.Errorf("%s: %s", when, timeline)
		}
	}
	check("done")
	o.deliver(events, ops...)
	check("the same message again")
	o.deliver(events[:2], ops[0])
	o.deliver(nil, ops[1:]...)
	if all := o.everything("ann"); strings.Contains(all, "SECRET") {
		t.Errorf("cut otherwise: %s", all)
	}
	if got := o.everything("bob"); got != bob {
		t.Errorf("bob: %s", got)
	}
	late := old(5, "ann", `{"plan":"SECRET"}`)
	lateOp := event.Op{DistinctID: "ann", Name: "$set", Value: `{"email":"SECRET"}`, Request: "late", Received: event.Now() - 30_000}
	o.deliver([]event.Event{late}, lateOp)
	if all := o.everything("ann"); strings.Contains(all, "SECRET") || !strings.Contains(all, `{"plan":"free","$source":"support","a.b":["x"]}`) {
		t.Errorf("sent before, delivered after: %s", all)
	}
	// The SDK says it again, afterwards.
	fresh := events[0]
	fresh.Received = event.Now() + 1000
	o.deliver([]event.Event{fresh}, event.Op{DistinctID: "ann", Name: "$set", Value: `{"email":"newest"}`, Request: "after", Received: event.Now() + 1000})
	if got := o.get("/v1/people/ann/events").Body.String(); !strings.Contains(got, `"plan":"SECRET","\u0061.b":"SECRET","n":1}`) || strings.Count(got, `"event":`) != 4 {
		t.Errorf("sent after: %s", got)
	}
	if got := o.personDoc("ann").Profile; !strings.Contains(got, `"email":"newest"`) || !strings.Contains(got, `"$phone":"new"`) {
		t.Errorf("sent after: %s", got)
	}
}

// A number is told from those that are the same 64-bit float.
func TestRectifyOneOfNeighbours(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	var events []event.Event
	for i := range 5 {
		events = append(events, old(i+1, "ann", fmt.Sprintf(`{"order":183000000000000000%d,"state":"open"}`, i+1)))
	}
	o.deliver(events)
	o.work(time.Minute)
	asked := o.ask(`{"distinct_id":"ann","events":[{"where":"properties[\"order\"] == 1830000000000000003","set":{"state":"paid"}}],"reason":"r"}`)
	if done := o.until(asked.ID, request.Done); done.Counts.Events.Changed != 1 {
		t.Errorf("got %d events changed, want 1", done.Counts.Events.Changed)
	}
	all := o.everything("ann")
	if want := `{"order":1830000000000000003,"state":"paid"}`; !strings.Contains(all, want) || strings.Count(all, `"state":"open"`) != 4 {
		t.Errorf("got %s, want %s alone", all, want)
	}
}

// What is erased while a rectification waits for its turn does not come back with it.
func TestRectifyWhatWasErased(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.deliver([]event.Event{old(1, "ann", `{"plan":"gold","n":1}`)}, oldOp(0, "$set", `{"email":"old","$name":"Ann"}`))
	asked := o.ask(`{"distinct_id":"ann","profile":{"email":"SECRET","$phone":"new"},"events":[{"set":{"plan":"SECRET","n":2}}],"reason":"r"}`)
	erasure, _, err := amend.Add(nil, time.Now(), "an erasure", []amend.Amendment{{Properties: []string{"email", "plan"}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.personRef("ann").Update(t.Context(), []firestore.Update{{Path: "amendments", Value: erasure}}); err != nil {
		t.Fatal(err)
	}
	o.work(time.Minute)
	o.until(asked.ID, request.Done)
	if all := o.everything("ann"); strings.Contains(all, "SECRET") || !strings.Contains(all, `"$phone":"new"`) || !strings.Contains(all, `"n":2`) {
		t.Error(all)
	}
}

// Once it is done, the request knows the names of the properties and no value.
func TestRectificationKeepsNoValues(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.deliver([]event.Event{old(1, "ann", `{"plan":"SECRET"}`)})
	asked := o.ask(`{"distinct_id":"ann","profile":{"email":"SECRET"},"events":[{"where":"properties[\"plan\"] == \"SECRET\"","set":{"plan":"SECRET2"}}],"reason":"r"}`)
	snap := func() string {
		d, err := request.Ref(o.Default, o.Project.ID, asked.ID).Get(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(d.Data())
	}
	if !strings.Contains(snap(), "SECRET2") {
		t.Error("the worker would not know what to do")
	}
	if got := o.get("/v1/rectifications/"+asked.ID, o.privacy).Body.String(); strings.Contains(got, "SECRET") || !strings.Contains(got, `"plan"`) {
		t.Error(got)
	}
	o.work(time.Minute)
	o.until(asked.ID, request.Done)
	if got := snap(); strings.Contains(got, "SECRET") || !strings.Contains(got, "email") {
		t.Error(got)
	}
}

// All identities of the person are rectified, in slices of the least time.
func TestRectifyPersonInSlices(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	ids := []string{"ann", "anon 1/☕", "anon-2"}
	for n, id := range ids {
		var events []event.Event
		for i := range 120 * n { // each in a chunk of its own
			e := old(i, id, `{"plan":"SECRET"}`)
			e.Time += event.Millis(i) * 24 * 60 * 60 * 1000
			events = append(events, e)
		}
		set := oldOp(n, "$set", `{"email":"SECRET","own":1}`)
		set.DistinctID = id
		if n == 1 {
			o.deliver(events)
			continue
		}
		o.deliver(events, set)
	}
	o.link(ids[1], "ann")
	o.link(ids[2], ids[1])
	asked := o.ask(`{"distinct_id":"anon-2","scope":"person","profile":{"email":"right"},"events":[{"set":{"plan":"free"}}],"reason":"r"}`)
	o.work(time.Nanosecond)
	done := o.until(asked.ID, request.Done)
	if c := done.Counts; c.Persons != 3 || c.Events.Changed != 360 || c.Events.Chunks < 360 || c.Profile.Properties != 1 {
		t.Errorf("%+v", c)
	}
	for n, id := range ids {
		if all := o.everything(id); strings.Contains(all, "SECRET") || strings.Count(all, `{"plan":"free"}`) != 120*n {
			t.Errorf("%s: %.2000s", id, all)
		}
		if got, want := o.personDoc(id).Profile, map[string]string{"ann": `{"email":"right","own":1}`}[id]; got != want {
			t.Errorf("%s: got %s, want %s", id, got, want)
		}
	}
	r, err := request.Get(t.Context(), o.Default, o.Project.ID, asked.ID, "")
	if err != nil || r.Step < 8 {
		t.Errorf("done in %d slices, %v", r.Step+1, err)
	}
}

// Of a person who is not there the caller learns nothing, and what is on its way is
// still rectified; nobody comes into being by it.
func TestRectifyNobody(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.work(time.Minute)
	asked := o.ask(`{"distinct_id":"ann","profile":{"email":"right"},"events":[{"set":{"plan":"free"}}],"reason":"r"}`)
	done := o.until(asked.ID, request.Done)
	if *done.Counts != (functionperson.RectificationCounts{}) {
		t.Errorf("%+v", done.Counts)
	}
	o.refused(o.get("/v1/people/ann"), http.StatusNotFound)
	o.deliver([]event.Event{old(1, "ann", `{"plan":"SECRET"}`)}, oldOp(0, "$set", `{"email":"SECRET","x":1}`))
	if all := o.everything("ann"); strings.Contains(all, "SECRET") || !strings.Contains(all, `{"plan":"free"}`) {
		t.Error(all)
	}
}

// A person who was erased after the rectification was asked for gets nothing of it.
func TestRectifyErased(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	asked := o.ask(`{"distinct_id":"ann","profile":{"email":"SECRET"},"events":[{"set":{"plan":"SECRET"}}],"reason":"r"}`)
	o.person(o.Project, "ann", person.Doc{ErasedAt: time.Now().Add(time.Millisecond)})
	o.work(time.Minute)
	o.until(asked.ID, request.Done)
	if d := o.personDoc("ann"); len(d.Amendments) > 0 || d.Profile != "" || d.DistinctID != "" {
		t.Errorf("%+v", d)
	}
}

// What cannot be done fails with its reason, and keeps no value either.
func TestRectificationFails(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	var full []string
	for i := range event.MaxProperties {
		full = append(full, fmt.Sprintf(`"p%d":1`, i))
	}
	o.deliver([]event.Event{old(1, "ann", "{"+strings.Join(full, ",")+"}"), old(2, "ann", `{"plan":"old"}`)})
	var many []amend.Amendment
	for i := range amend.MaxLive {
		many = append(many, amend.Amendment{At: time.Now(), Request: fmt.Sprint(i), Profile: []string{"x"}})
	}
	o.person(o.Project, "bob", person.Doc{DistinctID: "bob", Amendments: many})
	o.work(time.Minute)
	for id, reason := range map[string]string{"ann": "1 events have no room", "bob": "too many changes"} {
		asked := o.ask(`{"distinct_id":"` + id + `","events":[{"set":{"plan":"SECRET"}}],"reason":"r"}`)
		failed := o.until(asked.ID, request.Failed)
		if !strings.Contains(failed.Failure, reason) {
			t.Errorf("%+v", failed)
		}
		r, err := request.Get(t.Context(), o.Default, o.Project.ID, asked.ID, "")
		if err != nil || strings.Contains(r.Params+r.Private, "SECRET") {
			t.Errorf("%+v %v", r, err)
		}
	}
	if all := o.everything("ann"); !strings.Contains(all, `{"plan":"SECRET"}`) {
		t.Error("what has room was not changed")
	}
}
