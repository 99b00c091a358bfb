package local

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"sync/atomic"
)

// PubSub is the official Pub/Sub emulator.
type PubSub struct {
	Host string // for PUBSUB_EMULATOR_HOST

	proc    *Process
	classes classes
	failed  chan error
	stopped atomic.Bool
}

// StartPubSub starts the emulator and returns when it answers.
func StartPubSub(ctx context.Context, r *Reaper) (*PubSub, error) {
	java, jars, err := findTools(ctx, pubsubEmulator)
	if err != nil {
		return nil, err
	}
	p := &PubSub{classes: sharedClasses(java, jars[0]), failed: make(chan error, 1)}
	p.proc, p.Host, err = startOnPort(func(port int) (*Process, error) {
		args := slices.Concat(javaFlags, p.classes.flags(), []string{"-Xmx256m", "-jar", jars[0],
			"--host=127.0.0.1", "--port=" + strconv.Itoa(port)})
		proc, err := r.Start("pubsub", exec.Command(java, args...), nil)
		if err != nil {
			return nil, err
		}
		if err := proc.WaitHTTP(ctx, fmt.Sprintf("http://127.0.0.1:%d/", port), true); err != nil {
			proc.Kill()
			return nil, err
		}
		return proc, nil
	})
	if err != nil {
		return nil, err
	}
	go func() {
		<-p.proc.Done()
		if !p.stopped.Load() {
			p.failed <- p.proc.Err()
		}
	}()
	return p, nil
}

// Pid is the emulator's process id.
func (p *PubSub) Pid() int { return p.proc.Pid() }

// Failed tells when the emulator ends by itself.
func (p *PubSub) Failed() <-chan error { return p.failed }

// Stop ends the emulator; its messages are gone unless saved (SaveMessages).
func (p *PubSub) Stop() {
	p.stopped.Store(true)
	p.classes.end(p.proc)
}
