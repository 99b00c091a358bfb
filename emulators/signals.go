package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// signalled is why the system stops.
type signalled struct{ os.Signal }

// Error implements error.
func (s signalled) Error() string { return "received " + s.String() }

// status is the exit status of a shell's command that a signal ended.
func (s signalled) status() int {
	if n, ok := s.Signal.(syscall.Signal); ok {
		return 128 + int(n)
	}
	return 1
}

// signals watches for what ends the program.
type signals struct {
	cancel context.CancelCauseFunc
	got    chan os.Signal
	// ignoreInterrupt is set while COMMAND has the terminal: Ctrl-C is for it.
	ignoreInterrupt atomic.Bool
}

// watchSignals returns a context that ends at the first signal, or when the go
// tool that started this program is gone. A second signal ends the program at
// once (the Reaper then ends the children).
func watchSignals(ctx context.Context) (context.Context, *signals) {
	ctx, cancel := context.WithCancelCause(ctx)
	s := &signals{cancel: cancel, got: make(chan os.Signal, 4)}
	signal.Notify(s.got, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		for sig := range s.got {
			if sig == syscall.SIGINT && s.ignoreInterrupt.Load() {
				continue
			}
			if ctx.Err() != nil {
				os.Exit(signalled{sig}.status())
			}
			cancel(signalled{sig})
		}
	}()
	if parentIsGo() {
		go s.watchParent(ctx)
	}
	return ctx, s
}

func (s *signals) stop() {
	signal.Stop(s.got)
	close(s.got)
	s.cancel(nil)
}

// errOrphaned is the end of "go run", which passes neither SIGTERM nor SIGKILL on.
var errOrphaned = errors.New("the go command that ran this program is gone")

func (s *signals) watchParent(ctx context.Context) {
	parent := os.Getppid()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if os.Getppid() != parent {
				s.cancel(errOrphaned)
				return
			}
		}
	}
}

// parentIsGo reports whether this program runs by "go run".
func parentIsGo() bool {
	ppid := os.Getppid()
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", ppid))
	if err != nil { // no Linux
		name, err = exec.Command("ps", "-o", "comm=", "-p", strconv.Itoa(ppid)).Output()
	}
	return err == nil && filepath.Base(strings.TrimSpace(string(name))) == "go"
}
