package web

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// ShutdownGrace is how long requests in flight may go on after SIGTERM. Cloud
// Run sends SIGKILL 10 seconds after it:
// https://cloud.google.com/run/docs/container-contract#instance-shutdown
const ShutdownGrace = 9 * time.Second

// flushTime is left for the last answer to be written: net/http, which is the
// framework's and not ours, does that after the handler has returned.
const flushTime = 200 * time.Millisecond

// requests counts those in flight.
type requests struct {
	mu   sync.Mutex
	n    int
	idle chan struct{} // closed when n falls to zero, if somebody waits
}

var inFlight requests

// enter counts a request and returns what ends it.
func (q *requests) enter() (leave func()) {
	q.mu.Lock()
	q.n++
	q.mu.Unlock()
	return func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.n--
		if q.n == 0 && q.idle != nil {
			close(q.idle)
			q.idle = nil
		}
	}
}

// drained is closed once no request is in flight.
func (q *requests) drained() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.idle == nil {
		q.idle = make(chan struct{})
	}
	done := q.idle
	if q.n == 0 {
		close(q.idle)
		q.idle = nil
	}
	return done
}

// holdSIGTERM keeps the process alive after SIGTERM until the requests in flight
// are answered; the platform sends no new ones by then.
func holdSIGTERM() {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	go func() {
		<-term
		select {
		case <-inFlight.drained():
			time.Sleep(flushTime)
		case <-time.After(ShutdownGrace):
		}
		os.Exit(0)
	}()
}
