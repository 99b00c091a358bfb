package main

import (
	"context"
	"errors"
	"fmt"
	"net"
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

// function is one function's process: started when it is first needed, as the platform
// starts an instance, and again whenever it ends.
type function struct {
	topology.Function
	reaper *local.Reaper

	waking sync.Mutex // while the first process starts
	port   int        // 0 until it answers; then reserved for this program's life

	mu      sync.Mutex
	proc    *local.Process
	stopped chan struct{} // closed by stop
}

func newFunction(f topology.Function, reaper *local.Reaper) *function {
	return &function{Function: f, reaper: reaper, stopped: make(chan struct{})}
}

// url is the function's address, for those who reach it by dial.
func (f *function) url() string { return "http://" + f.Name }

// dial connects to the function, whatever the address.
func (f *function) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	if err := f.wake(); err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	return new(net.Dialer).DialContext(ctx, network, fmt.Sprintf("127.0.0.1:%d", f.port))
}

// wake returns when the function has answered once. Who asks for it may go away: the
// next one needs it too.
func (f *function) wake() error {
	f.waking.Lock()
	defer f.waking.Unlock()
	if f.port != 0 {
		return nil
	}
	port, release, err := local.ReservePort()
	if err != nil {
		return err
	}
	if err := f.begin(port); err != nil {
		release()
		fmt.Fprintf(os.Stderr, "%s | not started: %v\n", f.Name, err)
		return err
	}
	f.port = port
	go f.keepAlive()
	return nil
}

// begin starts the first process at a port.
func (f *function) begin(port int) error {
	if err := f.spawn(port); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	proc := f.process()
	err := proc.WaitHTTP(ctx, fmt.Sprintf("http://127.0.0.1:%d/_ready", port), false)
	if err != nil {
		proc.Kill()
	}
	return err
}

// functions is the program that all functions are in: this one.
var functions = os.Executable

// errStopped is spawn's answer after stop.
var errStopped = errors.New("the system is stopping")

// spawn runs the program as the function, at a port.
func (f *function) spawn(port int) error {
	program, err := functions()
	if err != nil {
		return err
	}
	cmd := exec.Command(program)
	// One processor, as an instance has (terraform/modules/function): a thread that looks
	// for work on another would take it from the emulators.
	cmd.Env = append(os.Environ(), childVariable+"="+f.Name, "FUNCTION_TARGET="+f.EntryPoint, "PORT="+strconv.Itoa(port), "GOMAXPROCS=1")
	f.mu.Lock()
	defer f.mu.Unlock()
	select {
	case <-f.stopped:
		return errStopped
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
		if err := f.spawn(f.port); err != nil && !errors.Is(err, errStopped) {
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
	if f.proc != nil {
		f.proc.Stop(drainGrace)
	}
}
