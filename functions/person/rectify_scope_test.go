package person_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/firestore"

	functionperson "github.com/lethe-analytics/lethe/functions/person"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/request"
	"github.com/lethe-analytics/lethe/shared/topology"
)

// rectifyOnce works on a rectification by one message after the other.
func (o *office) rectifyOnce(id string, slice time.Duration) request.Status {
	o.t.Helper()
	worker := functionperson.NewWorker(functionperson.Config{Slice: slice}, o.Default, o.dead(topology.TopicRectifications), o.pubs)
	r, err := request.Get(o.t.Context(), o.Default, o.Project.ID, id, "")
	if err != nil {
		o.t.Fatal(err)
	}
	task := fmt.Sprintf(`{"project":%q,"request":%q,"step":%d}`, r.Project, id, r.Step)
	if code := o.Push(o.t.Context(), o.t, worker, []byte(task)); code != http.StatusNoContent {
		o.t.Fatalf("got %d, want 204", code)
	}
	if r, err = request.Get(o.t.Context(), o.Default, o.Project.ID, id, ""); err != nil {
		o.t.Fatal(err)
	}
	return r.Status
}

// rectified asks for a rectification and works on it.
func (o *office) rectified(body string) functionperson.Rectification {
	o.t.Helper()
	asked := o.ask(body)
	for o.rectifyOnce(asked.ID, time.Minute) != request.Done {
	}
	var a functionperson.Rectification
	o.answered(o.get("/v1/rectifications/"+asked.ID, o.privacy), &a)
	return a
}

// A user's distinct_id covers all identities, a device's itself alone, unless the person is
// asked for.
func TestRectifyScope(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		id, scope string
		want      map[string]bool // changed
	}{
		{"ann", "", map[string]bool{"ann": true, device: true, "web": true}},
		{"web", "", map[string]bool{"ann": true, device: true, "web": true}}, // a user, whom a key has linked
		{device, "", map[string]bool{device: true}},
		{device, `"scope":"person",`, map[string]bool{"ann": true, device: true, "web": true}},
	} {
		o := newOffice(t)
		d := &privacyDesk{o.world, o.privacy}
		ids := []string{"ann", device, "web", "provisional", "late"}
		for n, id := range ids {
			op := oldOp(n, "$set", fmt.Sprintf(`{"email":"OLD","n%d":1}`, n))
			op.DistinctID = id
			o.deliver([]event.Event{old(n, id, `{"plan":"OLD"}`)}, op)
		}
		received := (event.Now() - 60_000).Time()
		d.connect(device, "ann", event.ByToken, received)
		d.connect("web", "ann", event.ByKey, received)
		o.identified("web")
		if _, err := o.personRef("provisional").Update(t.Context(), []firestore.Update{{Path: "link", Value: map[string]any{"to": o.keyOf("ann"), "by": "token", "provisional": true, "received": received}}}); err != nil {
			t.Fatal(err)
		}
		d.connect("late", "ann", event.ByToken, time.Now().Add(time.Minute)) // said after the asking
		d.connect("late", "ann", event.ByKey, time.Now().Add(time.Minute))
		done := o.rectified(`{"distinct_id":"` + c.id + `",` + c.scope + `"profile":{"email":"right"},"events":[{"set":{"plan":"free"}}],"reason":"r"}`)
		if done.Counts.Persons != len(c.want) || done.Counts.Events.Changed != len(c.want) || done.Scope != strings.Trim(strings.TrimPrefix(c.scope, `"scope":`), `",`) {
			t.Errorf("%+v: got %+v, want %d", c, done, len(c.want))
		}
		for _, id := range ids {
			all := o.everything(id)
			if got := strings.Contains(all, `{"plan":"free"}`); got != c.want[id] {
				t.Errorf("%+v: %s: changed is %v, want %v: %s", c, id, got, c.want[id], all)
			}
			if got := strings.Contains(all, `{"email":"OLD"`); got == c.want[id] {
				t.Errorf("%+v: %s: the old operation is there: %v, want %v: %s", c, id, got, !c.want[id], all)
			}
		}
		if got := string(d.profile("ann").Profile); got != `{"email":"right","n0":1,"n1":1,"n2":1,"n4":1}` {
			t.Errorf("%+v: got %s, want the new value once", c, got)
		}
		if doc := o.personDoc("ann"); doc.Attested != `{"email":"right"}` || doc.Stale != "" {
			t.Errorf("%+v: got %+v, want that a key has said it", c, doc)
		}
	}
}

// identified notes that an identity is a user's.
func (o *office) identified(id string) {
	o.t.Helper()
	if _, err := o.personRef(id).Set(o.t.Context(), map[string]any{"identified": "links"}, mergeAll); err != nil {
		o.t.Fatal(err)
	}
}

// A link that was received before the rectification and arrives after it brings its
// identity under it.
func TestRectifyBeforeALateLink(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for n, id := range []string{"ann", device} {
		op := oldOp(n, "$set", `{"email":"OLD"}`)
		op.DistinctID = id
		o.deliver([]event.Event{old(n, id, `{"plan":"OLD"}`)}, op)
	}
	o.rectified(`{"distinct_id":"ann","profile":{"email":"right"},"events":[{"set":{"plan":"free"}}],"reason":"r"}`)
	o.connect(device, "ann", event.ByToken, (event.Now() - 60_000).Time())
	if all := o.everything("ann") + o.everything(device); strings.Contains(all, "OLD") || strings.Count(all, `{"plan":"free"}`) != 2 {
		t.Errorf("got %s, want nothing old", all)
	}
	if got := o.personDoc("ann").Profile; got != `{"email":"right"}` {
		t.Errorf("got %s, want the new value", got)
	}
}

// A rectification whose person loses identities under its hands covers all who were the
// person's when it was asked for, and its position does not grow with them.
func TestRectifyManyWhileUnlinked(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	d := &privacyDesk{o.world, o.privacy}
	received := (event.Now() - 60_000).Time()
	const many = 60
	var events []event.Event
	for i := range many {
		events = append(events, old(i, fmt.Sprint(device, i), `{"plan":"OLD"}`))
	}
	o.deliver(append(events, old(many, "ann", `{"plan":"OLD"}`)))
	for i := range many {
		d.connect(fmt.Sprint(device, i), "ann", event.ByToken, received)
	}
	named := fmt.Sprint(device, 7)
	asked := o.ask(`{"distinct_id":"` + named + `","scope":"person","profile":{"email":"right"},"events":[{"set":{"plan":"free"}}],"reason":"r"}`)
	most := 0
	for step := 0; o.rectifyOnce(asked.ID, time.Nanosecond) != request.Done; step++ {
		r, err := request.Get(t.Context(), o.Default, o.Project.ID, asked.ID, "")
		if err != nil {
			t.Fatal(err)
		}
		most = max(most, len(r.Position))
		if step == 3 {
			if rec := d.call("DELETE", "ann", "/links/"+named, ""); rec.Code != http.StatusNoContent {
				t.Fatalf("got %d %s, want 204", rec.Code, rec.Body)
			}
		}
	}
	if most > 800 {
		t.Errorf("got a position of %d bytes, want at most 800", most)
	}
	for _, id := range append([]string{"ann"}, named, fmt.Sprint(device, 0), fmt.Sprint(device, many-1)) {
		if all := o.everything(id); strings.Contains(all, "OLD") || strings.Count(all, `{"plan":"free"}`) != 1 {
			t.Errorf("%s: got %s, want it rectified", id, all)
		}
	}
	done := o.until(asked.ID, request.Done)
	if done.Counts.Persons != many+1 || done.Counts.Events.Changed != many+1 {
		t.Errorf("got %+v, want %d", done.Counts, many+1)
	}
	for id, want := range map[string]string{"ann": "", named: `{"email":"right"}`} {
		if got := o.personDoc(id).Profile; got != want {
			t.Errorf("%s: got %q, want %q", id, got, want)
		}
	}
}

// A request about one identity waits for those about the others.
func TestRectificationsOfAPersonInOrder(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.deliver(nil, oldOp(0, "$set", `{"email":"old"}`))
	var names []string
	for i := range 40 { // more than are asked for at a time
		names = append(names, fmt.Sprint(device, i))
		o.connect(names[i], "ann", event.ByToken, (event.Now() - 60_000).Time())
	}
	ask := func(id, value string) string {
		return o.ask(`{"distinct_id":"` + id + `","scope":"person","profile":{"email":"` + value + `"},"reason":"r"}`).ID
	}
	first, last := ask(names[39], "first"), ask("ann", "last")
	for range 4 {
		if got := o.rectifyOnce(last, time.Millisecond); got != request.Running {
			t.Fatalf("got %s before its turn, want running", got)
		}
	}
	if got := o.personDoc("ann").Amendments; len(got) > 0 {
		t.Errorf("got %+v before its turn, want none", got)
	}
	for _, id := range []string{first, last} {
		for o.rectifyOnce(id, time.Second) != request.Done {
		}
	}
	if got := o.personDoc("ann").Profile; got != `{"email":"last"}` {
		t.Errorf("got %s, want the last one", got)
	}
}
