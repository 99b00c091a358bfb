package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/shared/topology"
)

// TestFaults sends events while functions are killed and Firestore is restarted. In the
// end an emulator is gone with its data, without which the system cannot go on.
func TestFaults(t *testing.T) {
	t.Parallel()
	p := raced(t, liveArgs()...)
	p.Env = append(p.Env, restartVariable+"=1")
	s := newLive(t, p)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	send := func(insertID string) {
		t.Helper()
		local.Eventually(t, time.Minute, func() error { return s.track(ctx, "a/b c", insertID) })
	}
	send("one")
	s.seen(t, 1)
	for _, f := range topology.Functions {
		s.control(t, "/functions/"+f.Name+"/kill")
	}
	send("two")
	s.seen(t, 2)
	s.control(t, "/firestore/restart")
	send("three")
	s.seen(t, 3)
	s.control(t, "/pubsub/pause")
	s.control(t, "/pubsub/resume")
	s.control(t, "/firestore/pause")
	s.control(t, "/firestore/resume")
	send("four")
	s.seen(t, 4)
	if code, body, err := s.call(ctx, "GET", s.env["LETHE_URL"]+"/v1/people/a%2Fb%20c", ""); err != nil || code != 200 {
		t.Errorf("person: %d %s %v", code, body, err)
	}
	if code, body, err := s.call(ctx, "POST", s.env["LETHE_CONTROL"]+"/functions/none/kill", ""); err != nil || code != 500 {
		t.Errorf("kill of a function that is none: %d %s %v", code, body, err)
	}
	for _, pid := range s.processes(t) {
		if cmdline(t, pid, "cloud-pubsub-emulator") {
			kill(t, pid)
		}
	}
	if code := s.end(t); code != 1 || !strings.Contains(s.stderr.String(), "pubsub ended (signal: killed)") {
		t.Errorf("status %d, standard error:\n%s", code, s.stderr)
	}
	s.allEnd(t, 30*time.Second)
	if got := s.stderr.String(); strings.Count(got, "ended (signal: killed); starting it again") != len(topology.Functions) {
		t.Errorf("standard error does not tell of the restarts:\n%s", got)
	}
}
