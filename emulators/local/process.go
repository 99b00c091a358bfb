package local

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Process is a child in a Reaper's group.
type Process struct {
	Name string

	cmd  *exec.Cmd
	tail *tail
	done chan struct{}
}

// Start runs a command as a member of the group. Its output goes to out, if that
// is not nil, and its end is kept for error messages.
func (r *Reaper) Start(name string, cmd *exec.Cmd, out io.Writer) (*Process, error) {
	p := &Process{Name: name, cmd: cmd, tail: &tail{}, done: make(chan struct{})}
	cmd.Stdout = io.Writer(p.tail)
	if out != nil {
		cmd.Stdout = io.MultiWriter(p.tail, out)
	}
	cmd.Stderr = cmd.Stdout
	cmd.WaitDelay = time.Second // do not wait longer for grandchildren that hold the output
	r.Adopt(cmd)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		_ = cmd.Wait() // the state is read from cmd.ProcessState
		close(p.done)
	}()
	return p, nil
}

// Pid is the process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// State says how the process ended, like "exit status 1" or "signal: killed". It
// is valid once Done is closed.
func (p *Process) State() string { return p.cmd.ProcessState.String() }

// Err says how a process ended that should not have, with its last output. It is
// valid once Done is closed.
func (p *Process) Err() error {
	return fmt.Errorf("%s ended (%v); its last output:\n%s", p.Name, p.cmd.ProcessState, p.tail)
}

// Kill sends SIGKILL and waits for the end.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // an error means that it has ended
	<-p.done
}

// Stop sends SIGTERM, waits up to grace, then kills.
func (p *Process) Stop(grace time.Duration) {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(grace):
		p.Kill()
	}
}

// WaitHTTP returns when a GET of url answers (any status, or only 200 if ok200),
// or with an error when the process or the context ends before that.
func (p *Process) WaitHTTP(ctx context.Context, url string, ok200 bool) error {
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if resp, err := client.Get(url); err == nil {
			_ = resp.Body.Close()
			if !ok200 || resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-p.done:
			return p.Err()
		case <-ctx.Done():
			return fmt.Errorf("%s was not ready in time (%w); its last output:\n%s", p.Name, context.Cause(ctx), p.tail)
		case <-tick.C:
		}
	}
}

// startOnPort starts a server that is to listen on a port of its own, which stays
// reserved while it lives. It tells the address.
func startOnPort(start func(port int) (*Process, error)) (p *Process, addr string, err error) {
	port, release, err := ReservePort()
	if err != nil {
		return nil, "", err
	}
	if p, err = start(port); err != nil {
		release()
		return nil, "", err
	}
	go func() {
		<-p.done
		release()
	}()
	return p, fmt.Sprintf("127.0.0.1:%d", port), nil
}

// tail keeps the last lines of an output.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

const tailBytes = 4 << 10

// Write implements io.Writer.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, b...)
	if over := len(t.buf) - tailBytes; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(b), nil
}

// String gives the lines, indented.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return "  | " + strings.ReplaceAll(string(bytes.TrimSpace(t.buf)), "\n", "\n  | ")
}
