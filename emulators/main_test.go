package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/emulators/local"
)

// asProgram makes the test binary behave as the program itself, so that the
// program runs with the race detector too. It has the path of another that is built
// without for a value, of which the functions are run: their own tests have the race
// detector, with which they would be most of what these tests cost.
const asProgram = "LETHE_TEST_AS_PROGRAM"

// plainDir is removed at the end.
var plainDir string

// plain builds that other program there, once, unless LETHE_EMULATORS names it.
var plain = sync.OnceValues(func() (_ string, err error) {
	if path := os.Getenv("LETHE_EMULATORS"); path != "" {
		return path, nil
	}
	if plainDir, err = os.MkdirTemp("", "lethe-emulators-"); err != nil {
		return "", err
	}
	path := filepath.Join(plainDir, "emulators")
	if out, err := exec.Command("go", "build", "-trimpath", "-ldflags=-s", "-o", path, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return path, nil
})

// marker is an environment variable that all processes of one run inherit.
const marker = "LETHE_TEST_RUN"

func TestMain(m *testing.M) {
	if path := os.Getenv(asProgram); path != "" {
		functions = func() (string, error) { return path, nil }
		main()
		return
	}
	status := m.Run()
	_ = os.RemoveAll(plainDir)
	os.Exit(status)
}

// program is a run of the program.
type program struct {
	*exec.Cmd
	id     string
	stdin  io.WriteCloser
	stdout *bufio.Reader
	stderr *buffer
}

// emulators prepares a run of the program; what it starts is ended with the test.
func emulators(t *testing.T, args ...string) *program {
	t.Helper()
	path, err := plain()
	if err != nil {
		t.Fatal(err)
	}
	p := &program{Cmd: exec.Command(path, args...), id: rand.Text(), stderr: &buffer{}}
	p.Env = append(os.Environ(), marker+"="+p.id, checkVariable+"=1")
	p.Stderr = p.stderr
	if p.stdin, err = p.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.stdout = bufio.NewReader(out)
	t.Cleanup(func() {
		for _, pid := range p.processes(t) {
			if !cmdline(t, pid, "lethe-reaper") { // it ends by itself, and removes the directory
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		if t.Failed() {
			t.Logf("standard error of %v:\n%s", args, p.stderr)
		}
	})
	return p
}

// raced has the race detector, which costs seconds of each start.
func raced(t *testing.T, args ...string) *program {
	t.Helper()
	p := emulators(t, args...)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p.Env = append(p.Env, asProgram+"="+p.Path)
	p.Path = self
	return p
}

// begin starts it and reads standard output up to a line that begins so.
func (p *program) begin(t *testing.T, line string) (before []string) {
	t.Helper()
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	for {
		s, err := p.stdout.ReadString('\n')
		if err != nil {
			t.Fatalf("no line %q: %v; standard error:\n%s", line, err, p.stderr)
		}
		if strings.HasPrefix(s, line) {
			return before
		}
		before = append(before, strings.TrimSuffix(s, "\n"))
	}
}

// end waits for the program's end and returns its status.
func (p *program) end(t *testing.T) int {
	t.Helper()
	if _, err := io.Copy(io.Discard, p.stdout); err != nil {
		t.Error(err)
	}
	_ = p.Wait() // the state tells more
	return status(p.ProcessState)
}

// processes lists the live processes of the run.
func (p *program) processes(t *testing.T) (pids []int) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		env, err := os.ReadFile(file)
		if err != nil {
			continue // gone
		}
		var pid int
		if _, err := fmt.Sscanf(file, "/proc/%d/", &pid); err == nil &&
			slices.Contains(strings.Split(string(env), "\x00"), marker+"="+p.id) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// allEnd waits until no process of the run is left.
func (p *program) allEnd(t *testing.T, within time.Duration) {
	t.Helper()
	local.Eventually(t, within, func() error {
		if pids := p.processes(t); len(pids) > 0 {
			return fmt.Errorf("processes %v are left", pids)
		}
		return nil
	})
}

// buffer is a bytes.Buffer for several goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// cmdline reports whether a process's arguments contain a text.
func cmdline(t *testing.T, pid int, text string) bool {
	t.Helper()
	args, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, syscall.ESRCH) { // gone
		t.Fatal(err)
	}
	return bytes.Contains(args, []byte(text))
}

func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}
