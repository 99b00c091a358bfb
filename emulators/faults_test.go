package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/shared/topology"
)

// faultsEvents are those that faults sends.
const faultsEvents = 4

// faults kills every function, restarts and pauses Firestore and Pub/Sub, and sends an
// event after each, which is in the report beside those that were there before.
func (s *storm) faults(t *testing.T, before int) {
	t.Helper()
	send := func(n int) {
		t.Helper()
		local.Eventually(t, time.Minute, func() error { return s.track(t.Context(), "a/b c", fmt.Sprint("fault-", n)) })
		s.seen(t, before+n)
	}
	send(1)
	for _, f := range topology.Functions {
		s.control(t, "/functions/"+f.Name+"/kill")
	}
	send(2)
	s.control(t, "/firestore/restart")
	send(3)
	s.control(t, "/pubsub/pause")
	s.control(t, "/pubsub/resume")
	s.control(t, "/firestore/pause")
	s.control(t, "/firestore/resume")
	send(faultsEvents)
	if code, body, err := s.call(t.Context(), "GET", s.env["LETHE_URL"]+"/v1/people/a%2Fb%20c", ""); err != nil || code != 200 {
		t.Errorf("person: %d %s %v", code, body, err)
	}
	if code, body, err := s.call(t.Context(), "POST", s.env["LETHE_CONTROL"]+"/functions/none/kill", ""); err != nil || code != 500 {
		t.Errorf("kill of a function that is none: %d %s %v", code, body, err)
	}
	if got := s.stderr.String(); strings.Count(got, "ended (signal: killed); starting it again") != len(topology.Functions) {
		t.Errorf("standard error does not tell of the restarts:\n%s", got)
	}
}

// losesPubSub kills an emulator, which is gone with its data: the system cannot go on.
func (s *storm) losesPubSub(t *testing.T) {
	t.Helper()
	for _, pid := range s.processes(t) {
		if cmdline(t, pid, "cloud-pubsub-emulator") {
			kill(t, pid)
		}
	}
	if code := s.end(t); code != 1 || !strings.Contains(s.stderr.String(), "pubsub ended (signal: killed)") {
		t.Errorf("status %d, standard error:\n%s", code, s.stderr)
	}
	s.allEnd(t, 30*time.Second)
}
