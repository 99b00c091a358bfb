package local

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
)

// Firestore is the official Firestore emulator.
type Firestore struct {
	Host string // for FIRESTORE_EMULATOR_HOST

	reaper *Reaper
	gate   *gate
	failed chan error

	mu      sync.Mutex // held by what starts or ends the process
	addr    string     // of the emulator itself; Host unless there is a gate
	proc    *Process
	classes classes
	stopped bool
}

// FirestoreOptions say how the emulator is started.
type FirestoreOptions struct {
	// Load is a directory that Save wrote, or empty.
	Load string
	// Restartable puts a gate in front of the emulator, which Restart needs.
	Restartable bool
}

// StartFirestore starts the emulator and returns when it answers.
func StartFirestore(ctx context.Context, r *Reaper, o FirestoreOptions) (*Firestore, error) {
	f := &Firestore{reaper: r, failed: make(chan error, 1)}
	if err := f.start(ctx, o.Load); err != nil {
		return nil, err
	}
	f.Host = f.addr
	if o.Restartable {
		g, err := newGate(f.addr)
		if err != nil {
			f.Stop()
			return nil, err
		}
		f.gate, f.Host = g, g.addr()
	}
	return f, nil
}

func (f *Firestore) start(ctx context.Context, load string) error {
	java, jars, err := findTools(ctx, firestoreEmulator)
	if err != nil {
		return err
	}
	shared := sharedClasses(java, jars[0])
	proc, addr, err := startOnPort(func(port int) (*Process, error) {
		// The heap is bounded: unbounded it grows to 5 GB.
		args := slices.Concat(javaFlags, shared.flags(), []string{"-Xmx1g", "-cp", jars[0],
			"com.google.cloud.datastore.emulator.firestore.CloudFirestore", "start",
			"--host=127.0.0.1", "--port=" + strconv.Itoa(port), "--database-mode=firestore-native"})
		p, err := f.reaper.Start("firestore", exec.Command(java, args...), nil)
		if err != nil {
			return nil, err
		}
		if err := p.WaitHTTP(ctx, fmt.Sprintf("http://127.0.0.1:%d/", port), true); err != nil {
			p.Kill()
			return nil, err
		}
		return p, nil
	})
	if err != nil {
		return err // f.proc remains what it was: Stop needs one
	}
	f.proc, f.classes, f.addr = proc, shared, addr
	if load != "" {
		if err := f.load(ctx, load); err != nil {
			proc.Kill()
			return err
		}
	}
	go f.watch(proc)
	return nil
}

// watch reports the end of a process that was not asked to end.
func (f *Firestore) watch(p *Process) {
	<-p.Done()
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.stopped && f.proc == p {
		f.failed <- p.Err()
	}
}

// Failed tells when the emulator ends by itself.
func (f *Firestore) Failed() <-chan error { return f.failed }

// Restart kills the emulator (SIGKILL) and starts it again at the same Host with
// the data of the given Google projects. Clients meanwhile find nobody there, as
// in an outage: every write that was acknowledged before is kept, and none is
// acknowledged in between. The emulator must have been started Restartable.
func (f *Firestore) Restart(ctx context.Context, projects ...string) error {
	if f.gate == nil {
		return fmt.Errorf("restart firestore: it was not started as Restartable")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gate.shut()
	dir := filepath.Join(f.reaper.Dir, "firestore-restart")
	if err := f.save(ctx, dir, projects); err != nil {
		return err
	}
	f.proc.Kill()
	if err := f.start(ctx, dir); err != nil {
		return fmt.Errorf("restart firestore: %w", err)
	}
	f.gate.open(f.addr)
	return nil
}

// Pid is the emulator's process id, until a Restart.
func (f *Firestore) Pid() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.proc.Pid()
}

// Stop ends the emulator; its data is gone unless saved.
func (f *Firestore) Stop() {
	if f.gate != nil {
		f.gate.close()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stopped = true
	f.classes.end(f.proc)
}
