package main

import (
	"os/exec"
	"testing"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/shared/topology"
)

// A function whose process cannot be started is not given up: what keeps it alive
// waits for the process that it had, which has ended, and tries again.
func TestSpawnFails(t *testing.T) {
	t.Parallel()
	reaper := local.TestReaper(t)
	proc, err := reaper.Start("function", exec.Command("true"), nil)
	if err != nil {
		t.Fatal(err)
	}
	<-proc.Done()
	reaper.Close() // without its group no process can be started
	f := &function{reaper: reaper, proc: proc, stopped: make(chan struct{})}
	if err := f.spawn(0); err == nil {
		t.Fatal("started in a group that is gone")
	}
	if f.process() != proc {
		t.Errorf("the process is %v", f.process())
	}
	if _, err := newFunction(topology.Function{Name: "f"}, reaper).dial(t.Context(), "tcp", "f:80"); err == nil {
		t.Error("connected to a function that does not start")
	}
}
