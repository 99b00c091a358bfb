package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/shared/topology"
)

// A function that dies is started again after a pause that doubles from
// firstPause to lastPause, and begins anew once it has lived for lastPause.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
)

// function is one function's process, started again whenever it ends.
type function struct {
	topology.Function
	reaper *local.Reaper
	port   int

	mu      sync.Mutex
	proc    *local.Process
	stopped chan struct{} // closed by stop
}

func (f *function) url() string { return fmt.Sprintf("http://127.0.0.1:%d", f.port) }

// start starts the function and returns when it answers. Its port stays reserved
// for this program's life, so that it can be started again there.
func (f *function) start(ctx context.Context) (err error) {
	if f.port, _, err = local.ReservePort(); err != nil {
		return err
	}
	f.stopped = make(chan struct{})
	if err := f.spawn(); err != nil {
		return err
	}
	if err := f.proc.WaitHTTP(ctx, f.url()+"/_ready", false); err != nil {
		return err
	}
	go f.keepAlive()
	return nil
}

// functions is the program that all functions are in: this one.
var functions = os.Executable

// spawn runs the program as the function.
func (f *function) spawn() error {
	program, err := functions()
	if err != nil {
		return err
	}
	cmd := exec.Command(program)
	// One processor, as an instance has (terraform/modules/function): a thread that looks
	// for work on another would take it from the emulators.
	cmd.Env = append(os.Environ(), childVariable+"="+f.Name, "FUNCTION_TARGET="+f.EntryPoint, "PORT="+strconv.Itoa(f.port), "GOMAXPROCS=1")
	f.mu.Lock()
	defer f.mu.Unlock()
	select {
	case <-f.stopped:
		return nil
	default:
	}
	proc, err := f.reaper.Start(f.Name, cmd, &prefixer{prefix: f.Name + " | ", out: os.Stderr})
	if err != nil {
		return err // f.proc remains what it was: it has ended, so this is tried again
	}
	f.proc = proc
	return nil
}

// keepAlive starts the function again, at the same port, whenever it ends.
func (f *function) keepAlive() {
	pause := firstPause
	for {
		began := time.Now()
		proc := f.process()
		<-proc.Done()
		if time.Since(began) > lastPause {
			pause = firstPause
		}
		select {
		case <-f.stopped:
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, lastPause)
		fmt.Fprintf(os.Stderr, "%s | ended (%s); starting it again\n", f.Name, proc.State())
		if err := f.spawn(); err != nil {
			fmt.Fprintf(os.Stderr, "%s | %v\n", f.Name, err)
		}
	}
}

func (f *function) process() *local.Process {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.proc
}

// stop lets the function answer what is in flight, then ends it for good.
func (f *function) stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.stopped)
	f.proc.Stop(drainGrace)
}
