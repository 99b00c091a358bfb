package retention_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/functions/retention"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/request"
)

// progress is a line of the log that alerts read.
type progress struct {
	Msg          string  `json:"msg"`
	Project      string  `json:"project"`
	Request      string  `json:"request"`
	Kind         string  `json:"kind"`
	Hours        float64 `json:"hours"`
	PurgeHours   float64 `json:"purge_hours"`
	RequestHours float64 `json:"request_hours"`
}

// TestWatch is not parallel: it reads the log of the process.
func TestWatch(t *testing.T) {
	w := newWorld(t, time.Minute, nil)
	var out bytes.Buffer
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })
	watch := func() (lines []progress) {
		t.Helper()
		out.Reset()
		slog.SetDefault(slog.New(slog.NewJSONHandler(&out, nil)))
		defer slog.SetDefault(before)
		if code := w.Push(t.Context(), t, w.worker, []byte(`{"watch":true}`)); code != http.StatusNoContent {
			t.Fatal(code)
		}
		for d := json.NewDecoder(&out); d.More(); {
			var p progress
			if err := d.Decode(&p); err != nil {
				t.Fatal(err)
			}
			lines = append(lines, p)
		}
		if last := lines[len(lines)-1]; last.Msg != "forward progress" {
			t.Fatalf("%+v", lines)
		}
		return lines
	}
	// A clock that began long after the real present: the project has existed for ever.
	w.set(time.Now().AddDate(0, 0, 30).UTC().Truncate(24 * time.Hour).Add(3 * time.Hour))
	if got := watch(); len(got) != 2 || got[0].Project != "app" || got[0].Msg != "purge is late" || got[1].PurgeHours != 48 || got[1].RequestHours != 0 {
		t.Errorf("never purged: %+v", got)
	}
	w.purge()
	w.set(w.now.Load().Add(25 * time.Hour)) // yesterday's run is the last
	if got := watch(); len(got) != 1 || got[0].PurgeHours != 25 {
		t.Errorf("after a day: %+v", got)
	}
	w.set(w.now.Load().Add(2 * time.Hour))
	if _, err := w.Default.Doc("projects/app/retention_runs/"+w.today()).Set(t.Context(), retention.Run{Day: w.today()}); err != nil {
		t.Fatal(err) // one that has begun is not one that has finished
	}
	if got := watch(); len(got) != 2 || got[0].Hours != 27 || got[1].PurgeHours != 27 {
		t.Errorf("late: %+v", got)
	}
	w.purge()
	if _, err := project.Create(t.Context(), w.Databases, project.Project{ID: "other"}); err != nil {
		t.Fatal(err)
	}
	ago := func(hours int) time.Time { return w.now.Load().Add(-time.Duration(hours) * time.Hour) }
	for id, r := range map[string]request.Request{
		"queued": {Status: request.Queued, Created: ago(1)}, "running": {Status: request.Running, Created: ago(600)},
		"confirmed": {Status: request.Running, Created: ago(900), Decided: ago(2)}, // it waited for the customer till then
		"waiting":   {Status: request.NeedsConfirmation, Created: ago(900)},
		"done":      {Status: request.Done, Created: ago(900)}, "failed": {Status: request.Failed, Created: ago(900)},
	} {
		r.Project, r.Kind = "other", request.Export
		if _, err := request.Ref(w.Default, "other", id).Set(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	got := watch()
	if last := got[len(got)-1]; last.Request != "running" || last.Project != "other" || last.Kind != "export" || last.RequestHours != 600 {
		t.Errorf("the oldest request: got %+v, want the one that runs, of 600 hours", got)
	}
}
