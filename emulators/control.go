package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"
)

// restartVariable, if it is set, starts Firestore so that it can be restarted. Otherwise
// clients reach it directly: a gate before it makes calls half as expensive again.
const restartVariable = "LETHE_FIRESTORE_RESTARTABLE"

// startControl serves what a test needs to make faults, on a port of this
// machine that only COMMAND is told (LETHE_CONTROL):
//
//	POST /functions/{name}/kill     SIGKILL; it is started again (and before, if nobody
//	                                has needed it yet)
//	GET  /functions/{name}/peak     its peak memory in KiB since it was started (VmHWM of proc(5))
//	POST /firestore/restart         SIGKILL and a new start with all data kept, if
//	                                LETHE_FIRESTORE_RESTARTABLE was set
//	POST /{emulator}/pause          firestore or pubsub stops answering (SIGSTOP)
//	POST /{emulator}/resume         and goes on (SIGCONT)
//	POST /logging/cut               Cloud Logging is unavailable
//	POST /logging/mend              and is there again
//
// Each POST answers 204 when it is done. A guest (LETHE_GUEST_PROJECT) does nothing to
// the emulators, which others use too.
func (s *system) startControl(context.Context) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.control = "http://" + ln.Addr().String()
	mux := http.NewServeMux()
	handle := func(pattern string, do func(*http.Request) error) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := do(r); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			w.WriteHeader(http.StatusNoContent)
		})
	}
	handle("POST /functions/{name}/kill", s.killFunction)
	mux.HandleFunc("GET /functions/{name}/peak", s.functionPeak)
	handle("POST /firestore/restart", func(r *http.Request) error {
		if os.Getenv(restartVariable) == "" {
			return fmt.Errorf("no restart of firestore: start the system with %s=1", restartVariable)
		}
		ctx, cancel := context.WithTimeout(r.Context(), time.Minute)
		defer cancel()
		return s.firestore.Restart(ctx, s.google)
	})
	for path, signal := range map[string]syscall.Signal{"/pause": syscall.SIGSTOP, "/resume": syscall.SIGCONT} {
		handle("POST /firestore"+path, func(*http.Request) error { return s.signal(s.firestore.Pid, signal) })
		handle("POST /pubsub"+path, func(*http.Request) error { return s.signal(s.pubsub.Pid, signal) })
	}
	handle("POST /logging/cut", func(*http.Request) error { s.logging.Cut(true); return nil })
	handle("POST /logging/mend", func(*http.Request) error { s.logging.Cut(false); return nil })
	s.serve(ln, mux)
	return nil
}

// signal signals an emulator that is the system's own.
func (s *system) signal(pid func() int, signal syscall.Signal) error {
	if s.guest {
		return fmt.Errorf("others use the emulators too: start the system without %s", guestVariable)
	}
	return syscall.Kill(pid(), signal)
}

func (s *system) killFunction(r *http.Request) error {
	f, ok := s.functions[r.PathValue("name")]
	if !ok {
		return fmt.Errorf("no function %q", r.PathValue("name"))
	}
	if err := f.wake(); err != nil {
		return err
	}
	f.process().Kill()
	return nil
}

func (s *system) functionPeak(w http.ResponseWriter, r *http.Request) {
	f, ok := s.functions[r.PathValue("name")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	err := f.wake()
	var text []byte
	if err == nil {
		text, err = os.ReadFile(fmt.Sprintf("/proc/%d/status", f.process().Pid()))
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	for line := range strings.Lines(string(text)) {
		if kib, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			fmt.Fprint(w, strings.TrimSuffix(strings.TrimSpace(kib), " kB"))
			return
		}
	}
	http.Error(w, "no VmHWM", http.StatusInternalServerError)
}
