package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/emulators/local"
)

// TestStatus passes COMMAND's output and status on, and leaves nothing behind,
// not even what COMMAND left.
func TestStatus(t *testing.T) {
	t.Parallel()
	p := emulators(t, "-addr", "localhost:0", "--", "sh", "-c", "sleep 1000 & echo out; echo err >&2; exit 7")
	p.guest(t)
	if before := p.begin(t, "out"); len(before) > 0 {
		t.Errorf("standard output is not COMMAND's alone: %q", before)
	}
	if code := p.end(t); code != 7 {
		t.Errorf("status %d, want 7", code)
	}
	if got := p.stderr.String(); !strings.Contains(got, "err\n") || !strings.Contains(got, "ready: http://localhost:") {
		t.Errorf("standard error: %s", got)
	}
	p.allEnd(t, 30*time.Second)
}

// isKilled kills the program, of which it notices nothing.
func (s *live) isKilled(t *testing.T) {
	t.Helper()
	// This program, its reaper, two emulators, a shell and a command of it; and functions.
	local.Eventually(t, 30*time.Second, func() error {
		if pids := s.processes(t); len(pids) <= 6 {
			return fmt.Errorf("%d processes run", len(pids))
		}
		return nil
	})
	s.endsBy(t, syscall.SIGKILL, 128+9)
}

// endsBy sends the program a signal, and demands its status and that nothing is left.
// COMMAND's status hides that the API was not as described, but not what was said of it.
func (p *program) endsBy(t *testing.T, sig syscall.Signal, status int) {
	t.Helper()
	dir := p.tempDir(t)
	if err := p.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	if code := p.end(t); code != status {
		t.Errorf("status %d after %v, want %d; standard error:\n%s", code, sig, status, p.stderr)
	}
	if got := p.stderr.String(); strings.Contains(got, "openapi.yaml") {
		t.Errorf("standard error:\n%s", got)
	}
	p.allEnd(t, 30*time.Second)
	if _, err := os.Stat(dir); err == nil {
		t.Errorf("%s is left", dir)
	}
}

// tempDir finds the temporary directory of a run in its reaper's arguments.
func (p *program) tempDir(t *testing.T) string {
	t.Helper()
	for _, pid := range p.processes(t) {
		args, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err != nil {
			continue // gone
		}
		if a := strings.Split(string(args), "\x00"); len(a) > 4 && a[3] == "lethe-reaper" {
			return a[4]
		}
	}
	t.Fatal("no reaper")
	return ""
}

// underGo has the program run by "go run". A shell of that name stands for the go tool,
// which would have to build everything.
func (p *program) underGo(t *testing.T) {
	t.Helper()
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	tool := filepath.Join(t.TempDir(), "go")
	if err := os.Symlink(shell, tool); err != nil {
		t.Fatal(err)
	}
	p.Path, p.Args = tool, slices.Concat([]string{tool, "-c", `"$0" "$@"; exit`, p.Path}, p.Args[1:])
}

// runs reports whether a function has a process.
func (p *program) runs(t *testing.T, function string) bool {
	t.Helper()
	for _, pid := range p.processes(t) {
		env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		if err == nil && slices.Contains(strings.Split(string(env), "\x00"), childVariable+"="+function) {
			return true
		}
	}
	return false
}

// TestReadyText is what a newcomer sees, until Ctrl-C; no function runs before it is needed.
func TestReadyText(t *testing.T) {
	t.Parallel()
	p := emulators(t, "-addr", "localhost:0")
	p.guest(t)
	text := strings.Join(p.begin(t, "Ctrl-C stops everything."), "\n")
	for _, want := range []string{"ready: http://localhost:", "LETHE_PROJECT=demo", "export LETHE_TOKEN=", "export LETHE_KEY=lethe_",
		"/track?verbose=1", "/v1/reports/segmentation?event=Signed%20up&", "export FIRESTORE_EMULATOR_HOST=", "-data DIR"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
	if p.runs(t, "report") {
		t.Error("a function runs that nobody has asked for anything")
	}
	url := strings.Fields(text[strings.Index(text, "ready: "):])[1]
	resp, err := http.Get(url + "/v1/reports/top-events")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized || !p.runs(t, "report") {
		t.Errorf("the first request for a function: %s", resp.Status)
	}
	if err := p.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if code := p.end(t); code != 0 {
		t.Errorf("status %d after Ctrl-C, want 0", code)
	}
	p.allEnd(t, 30*time.Second)
}
