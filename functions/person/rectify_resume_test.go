package person_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"cloud.google.com/go/firestore"

	functionperson "github.com/lethe-analytics/lethe/functions/person"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/request"
	"github.com/lethe-analytics/lethe/shared/topology"
)

// rewind gives a request the state in which a killed worker would have left it.
func (o *office) rewind(id string, fields map[string]any) {
	o.t.Helper()
	fields["status"], fields["result"], fields["failure"] = request.Running, "", ""
	ref := request.Ref(o.Default, o.Project.ID, id)
	if _, err := ref.Set(o.t.Context(), fields, firestore.MergeAll); err != nil {
		o.t.Fatal(err)
	}
	r, err := request.Get(o.t.Context(), o.Default, o.Project.ID, id, "")
	if err != nil {
		o.t.Fatal(err)
	}
	if err := o.pubs.Publish(o.t.Context(), r); err != nil {
		o.t.Fatal(err)
	}
}

// A worker that is killed before it has noted anything begins anew, and comes to the
// same; one that is killed at the very end finds what came of it.
func TestRectificationResumes(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.deliver([]event.Event{old(1, "ann", `{"plan":"x","n":1}`), old(2, "ann", `{"plan":"y"}`)}, oldOp(0, "$set", `{"email":"SECRET","n":1}`))
	asked := o.ask(`{"distinct_id":"ann","profile":{"email":"right"},"reason":"r","events":[
		{"where":"properties[\"plan\"] == \"x\"","set":{"plan":"-"}},{"where":"properties[\"plan\"] == \"y\"","set":{"plan":"x"}},
		{"where":"properties[\"plan\"] == \"-\"","set":{"plan":"y"}}]}`)
	r, err := request.Get(t.Context(), o.Default, o.Project.ID, asked.ID, "")
	if err != nil {
		t.Fatal(err)
	}
	o.work(time.Minute)
	o.until(asked.ID, request.Done)
	want, amendments := o.everything("ann"), o.personDoc("ann").Amendments
	o.rewind(asked.ID, map[string]any{"private": r.Private, "position": "{}"})
	if again := o.until(asked.ID, request.Done); again.Counts.Events.Changed+again.Counts.Profile.Properties != 0 || again.Counts.Persons != 1 {
		t.Errorf("%+v", again.Counts)
	}
	if got := o.everything("ann"); got != want || len(o.personDoc("ann").Amendments) != len(amendments) {
		t.Errorf("%s, want %s", got, want)
	}
	o.rewind(asked.ID, map[string]any{"position": `{"finished":true,"counts":{"persons":7}}`})
	if a := o.until(asked.ID, request.Done); a.Counts.Persons != 7 {
		t.Errorf("%+v", a)
	}
	o.rewind(asked.ID, map[string]any{"position": `{"finished":true,"failure":"no room"}`})
	if a := o.until(asked.ID, request.Failed); a.Failure != "no room" {
		t.Errorf("%+v", a)
	}
}

// Of two rectifications the one that was asked for last stands, whichever is
// delivered first; one that is stuck holds up others for a time only.
func TestRectificationsInOrder(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.deliver(nil, oldOp(0, "$set", `{"email":"old"}`))
	worker := functionperson.NewWorker(functionperson.Config{Slice: time.Millisecond}, o.Default, o.dead(topology.TopicRectifications), o.pubs)
	once := func(id string) request.Status {
		t.Helper()
		r, err := request.Get(t.Context(), o.Default, o.Project.ID, id, "")
		if err != nil {
			t.Fatal(err)
		}
		task := fmt.Sprintf(`{"project":%q,"request":%q,"step":%d}`, r.Project, id, r.Step)
		if code := o.Push(t.Context(), t, worker, []byte(task)); code != http.StatusNoContent {
			t.Fatal(code)
		}
		if r, err = request.Get(t.Context(), o.Default, o.Project.ID, id, ""); err != nil {
			t.Fatal(err)
		}
		return r.Status
	}
	finish := func(id string) {
		t.Helper()
		for range 20 {
			if once(id) == request.Done {
				return
			}
		}
		t.Fatal("not done")
	}
	ask := func(value string) string {
		return o.ask(`{"distinct_id":"ann","profile":{"email":"` + value + `"},"reason":"r"}`).ID
	}
	stuck, first, last := ask("stuck"), ask("first"), ask("last")
	for range 3 {
		for _, id := range []string{last, first} {
			if status := once(id); status != request.Running {
				t.Fatalf("it is %s before its turn", status)
			}
		}
	}
	if len(o.personDoc("ann").Amendments) > 0 {
		t.Error("one has gone before its turn")
	}
	if _, err := request.Ref(o.Default, o.Project.ID, stuck).Update(t.Context(), []firestore.Update{{Path: "created", Value: time.Now().Add(-time.Hour)}}); err != nil {
		t.Fatal(err)
	}
	if once(last) == request.Done || len(o.personDoc("ann").Amendments) > 0 {
		t.Error("the last has gone before the first")
	}
	finish(first)
	finish(last)
	if got := o.personDoc("ann").Profile; got != `{"email":"last"}` {
		t.Error(got)
	}
	finish(stuck)
}
