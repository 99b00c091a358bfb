package retention_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/functions/retention"
	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/project"
	rules "github.com/lethe-analytics/lethe/shared/retention"
	"github.com/lethe-analytics/lethe/shared/topology"
)

// TestFanOut purges two projects by what the scheduler publishes, each by its own
// settings.
func TestFanOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 10*time.Millisecond, func(p *project.Project) { p.RetentionDays = 10 })
	other, err := project.Create(t.Context(), w.Databases, project.Project{ID: "other", RetentionDays: rules.Unlimited})
	if err != nil {
		t.Fatal(err)
	}
	w.Deliver(t, w.store, []event.Event{ev("ann", "Seen", 11, "{}"), ev("ann", "Seen", 10, "{}")})
	for _, c := range chunk.Build("other", []event.Event{ev("ann", "Seen", 3000, "{}")}) {
		if _, err := chunk.Ref(w.Default, "other", person.MakeKey(other.Secret, "ann"), c.ID).Set(t.Context(), c.Doc); err != nil {
			t.Fatal(err)
		}
	}
	object := func(name string) {
		o := w.bucket.Object(name).NewWriter(t.Context())
		o.ChunkSize = 0 // or it makes a buffer of 16 MiB
		if _, err := o.Write([]byte("x")); err != nil || o.Close() != nil {
			t.Fatal(err)
		}
	}
	object("exports/app/one/archive.zip")
	object("checkpoints/app")
	w.set(start) // the objects are from the real present
	for _, s := range topology.Schedules {
		if code := w.Push(t.Context(), t, w.worker, []byte(s.Data)); code != http.StatusNoContent {
			t.Fatalf("%+v: %d", s, code)
		}
	}
	w.Work(t, w.ps, topology.TopicRetention, "retention-worker", w.worker)
	for _, p := range []project.Project{w.Project, other} {
		w.finished(p, w.today())
	}
	if got := w.stored("app"); len(got.events) != 1 {
		t.Errorf("app: %+v", got.events)
	}
	if got := w.stored("other"); len(got.events) != 1 {
		t.Errorf("other: %+v", got.events)
	}
	// Archives go by their own age, or by the retention if that is shorter, also under a
	// hold, and nothing else in the bucket.
	w.call("PUT", "/v1/retention/hold", `{"reason":"a case"}`, 200, nil)
	for _, c := range []struct{ after, days, gone int }{{3, 10, 0}, {4, 3, 1}, {5, rules.Unlimited, 0}, {8, rules.Unlimited, 1}} {
		if c.after == 5 {
			object("exports/app/one/archive.zip")
		}
		w.settings(map[string]any{"retention_days": c.days})
		w.set(time.Now().AddDate(0, 0, c.after))
		if run := w.purge(); run.Counts.Archives != c.gone || !run.Held || run.Counts.Chunks != 0 || run.Overdue {
			t.Errorf("%+v: %+v", c, run)
		}
	}
	for name, there := range map[string]bool{"exports/app/one/archive.zip": false, "checkpoints/app": true} {
		if _, err := w.bucket.Object(name).Attrs(t.Context()); (err == nil) != there {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// finished waits for a project's run.
func (w *world) finished(p project.Project, day string) {
	w.t.Helper()
	local.Eventually(w.t, time.Minute, func() error {
		docs, err := w.Default.Collection("projects/"+p.ID+"/retention_runs").Where("day", "==", day).Documents(w.t.Context()).GetAll()
		if err != nil {
			w.t.Fatal(err)
		}
		if len(docs) == 1 && docs[0].Data()["finished"] != nil {
			return nil
		}
		return fmt.Errorf("%s: no run has finished", p.ID)
	})
}

// TestDeliveries: what is delivered again, too early or wrongly.
func TestDeliveries(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute, nil)
	run := w.purge()
	for data, want := range map[string]int{
		fmt.Sprintf(`{"project":"app","day":%q}`, w.today()):          204, // done before
		fmt.Sprintf(`{"project":"app","day":%q,"step":7}`, w.today()): 204, // it has finished
		`{"project":"app","day":"2026-06-30","step":1}`:               503, // the slice before is missing
		`{"project":"gone"}`:                   204,
		`{"project":"app","day":"2026-07-02"}`: 204, // parked
		`{"project":"a/b"}`:                    204, // parked
		`{"project":"app","day":"x"}`:          204, // parked
		`x`:                                    204, // parked
	} {
		if code := w.Push(t.Context(), t, w.worker, []byte(data)); code != want {
			t.Errorf("%s: %d, want %d", data, code, want)
		}
	}
	if parked := w.Pull(t, w.ps, topology.DeadTopic(topology.TopicRetention), 10); len(parked) == 0 {
		t.Error("nothing is parked")
	}
	if again := w.run(w.today()); again.Step != run.Step || !again.Finished.Equal(run.Finished) || w.run("2026-07-02") != nil {
		t.Errorf("%+v", again)
	}
	// Another worker has it.
	w.set(start.AddDate(0, 0, 1))
	_, err := w.Default.Doc("projects/app/retention_runs/2026-07-02").Set(t.Context(), retention.Run{Day: "2026-07-02", Lease: time.Now().Add(time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	if code, _ := w.slice(t.Context()); code != 503 {
		t.Errorf("leased: %d", code)
	}
	w.expire()
	w.purge()
}
