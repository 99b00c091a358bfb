package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/topology"
)

var shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// TestShell runs the shell that a newcomer is given, in one system: that of README.md in
// the demo project, that of the guides in one without events.
func TestShell(t *testing.T) {
	t.Parallel()
	s := startGuest(t)
	t.Run("README.md", s.readme)
	t.Run("guides", s.guides)
	s.finishGuest(t)
}

// readme runs the lines of README.md as they stand, in order, with the variables that a
// newcomer is told to set. A report follows its events after a moment.
func (s *live) readme(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := shellBlock.FindAllStringSubmatch(string(readme), -1)
	wants := [][]string{
		{`{"status":1,"error":null}`},
		{`1`},
		{`"value":"free","type":"string","total":1`, `"value":"pro","type":"string","total":1`},
		{`"profile":{"name":"Ada"}`, `"event":"Signed up"`, `"plan":"free"`},
		{`1`},
		{`"$device:laptop-7f3a"`, `"by":"token"`},
		{`"status":"done"`, `"url":"http`},
		{`"state":"denied"`},
		{`1 person`},
		{`"action":"deletion.create"`},
		{`OK: `, `sealed in a tree`},
		{`"kept_from":`, `"complete":true`},
		{`The evidence is genuine`, `"request_statistics"`},
	}
	if len(blocks) != len(wants) {
		t.Fatalf("README.md has %d blocks of shell, this test knows %d", len(blocks), len(wants))
	}
	begin := ""
	for _, name := range []string{"LETHE_URL", "LETHE_TOKEN", "LETHE_KEY"} {
		begin += fmt.Sprintf("export %s=%s\n", name, s.env[name])
	}
	for i, block := range blocks {
		s.shellPrints(t, begin+block[1], wants[i], i >= 2) // what is sent, is sent once
	}
}

// shellPrints runs a script in the folder of the source until it prints what it should.
// Between two runs the access log is sealed, as it would be within a minute.
func (s *live) shellPrints(t *testing.T, script string, want []string, repeat bool) {
	t.Helper()
	run := func() (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", script)
		cmd.Dir, cmd.Env = "..", append(os.Environ(), "GOFLAGS=-trimpath") // as the functions are packaged, so that little is built twice
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Run(); err != nil {
			return out.String(), fmt.Errorf("bash: %w", err)
		}
		return out.String(), nil
	}
	deadline := time.Now().Add(90 * time.Second)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	out, err := run()
	for ; err != nil || !containsAll(out, want); out, err = run() {
		if !repeat || time.Now().After(deadline) {
			t.Fatalf("%s\nprints %s %v\nwant %q", script, out, err, want)
		}
		if err := queue.NewPublisher(s.clients(t).pubsub, topology.TopicSeals, time.Minute).Publish(t.Context(), []byte("{}"), nil); err != nil {
			t.Fatal(err)
		}
		<-tick.C
	}
}

func containsAll(s string, parts []string) bool {
	for _, p := range parts {
		if !strings.Contains(s, p) {
			return false
		}
	}
	return true
}
