package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

var shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// TestReadme runs the lines of README.md as they stand, in order, with the variables
// that a newcomer is told to set. A report follows its events after a moment.
func TestReadme(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	s := startLive(t)
	blocks := shellBlock.FindAllStringSubmatch(string(readme), -1)
	wants := [][]string{
		{`{"status":1,"error":null}`},
		{`1`},
		{`"value":"free","total":1`, `"value":"pro","total":1`},
		{`"profile":{"name":"Ada"}`, `"event":"Signed up"`, `"plan":"free"`},
	}
	if len(blocks) != len(wants) {
		t.Fatalf("README.md has %d blocks of shell, this test knows %d", len(blocks), len(wants))
	}
	for i, block := range blocks {
		run := func() string {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", block[1])
			cmd.Env = os.Environ()
			for _, name := range []string{"LETHE_URL", "LETHE_TOKEN", "LETHE_KEY"} {
				cmd.Env = append(cmd.Env, name+"="+s.env[name])
			}
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%s\n%v %s", block[1], err, &stderr)
			}
			return string(out)
		}
		out := run()
		for deadline := time.Now().Add(time.Minute); !containsAll(out, wants[i]); out = run() {
			if i < 2 || time.Now().After(deadline) { // what is sent, is sent once
				t.Fatalf("%s\nanswers %s\nwant %q", block[1], out, wants[i])
			}
		}
	}
	s.finish(t)
}

func containsAll(s string, parts []string) bool {
	for _, p := range parts {
		if !strings.Contains(s, p) {
			return false
		}
	}
	return true
}
