package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"

	"cloud.google.com/go/pubsub/v2"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/emulators/local/localstorage"
	"github.com/lethe-analytics/lethe/shared/topology"
)

// googleProject is the Google Cloud project of the local system, unless it is a guest;
// the emulators take any.
const googleProject = "lethe-local"

// guestVariable, if it is set, is the Google Cloud project in which the system is a guest
// of emulators that run already (FIRESTORE_EMULATOR_HOST, PUBSUB_EMULATOR_HOST). That
// starts in half the time, but no fault can be made in them and no data of them is kept.
const guestVariable = "LETHE_GUEST_PROJECT"

// bucket is the local bucket.
const bucket = "lethe-local"

// system is all that runs.
type system struct {
	google  string // the Google Cloud project
	guest   bool   // see guestVariable
	dir     *dataDir
	reaper  *local.Reaper
	listen  net.Listener
	url     string
	control string // address of the control server
	demo    demo

	hasCommand bool
	contract   *contract

	firestore *local.Firestore
	pubsub    *local.PubSub
	storage   *localstorage.Storage
	logging   *local.Logging
	mailbox   *local.Mailbox
	issuer    *local.Issuer
	client    *pubsub.Client

	functions map[string]*function
	relays    sync.WaitGroup
	endRelays context.CancelFunc
	servers   []*http.Server
	began     time.Time
}

// start brings the system up, in the order in which parts need each other.
// After an error nothing is left running.
func start(ctx context.Context, o options) (_ *system, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("the start took over %v", startTimeout))
	defer cancel()
	s := &system{google: googleProject, functions: map[string]*function{}, began: time.Now(), hasCommand: len(o.command) > 0, endRelays: func() {}}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if project := os.Getenv(guestVariable); project != "" {
		s.google, s.guest = project, true
		if o.data != "" {
			return nil, fmt.Errorf("-data keeps the data of emulators that this program starts, and %s is set", guestVariable)
		}
		for _, host := range []string{"FIRESTORE_EMULATOR_HOST", "PUBSUB_EMULATOR_HOST"} {
			if os.Getenv(host) == "" { // clients would turn to Google
				return nil, fmt.Errorf("%s is set, and %s is not", guestVariable, host)
			}
		}
	}
	if s.contract, err = openContract(); err != nil {
		return nil, err
	}
	if err := local.CheckTools(ctx); err != nil {
		return nil, err
	}
	if s.listen, err = listen(o.addr); err != nil {
		return nil, err
	}
	s.url = "http://" + publicAddr(o.addr, s.listen.Addr())
	if s.reaper, err = local.NewReaper(); err != nil {
		return nil, err
	}
	if s.dir, err = openData(o.data, s.reaper.Dir); err != nil {
		return nil, err
	}
	for _, f := range topology.Functions {
		s.functions[f.Name] = newFunction(f, s.reaper)
	}
	for _, step := range []func(context.Context) error{
		s.startServices, s.setUp, s.startControl, s.startRelays,
	} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	s.serve(s.listen, s.gateway())
	return s, nil
}

// listen takes the gateway's address first, so that a taken one is told at once;
// nothing is answered there until the system is ready.
func listen(addr string) (net.Listener, error) {
	ln, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s is taken (perhaps by another run of this program); choose another address with -addr, like -addr localhost:8081", addr)
	}
	if err != nil {
		return nil, fmt.Errorf("-addr %s: %w", addr, err)
	}
	return ln, nil
}

// publicAddr is the address to call: the host as it was given, the real port.
func publicAddr(asked string, got net.Addr) string {
	host, _, err := net.SplitHostPort(asked)
	if err != nil || host == "" || host == "0.0.0.0" || host == "::" {
		host = "localhost"
	}
	_, port, err := net.SplitHostPort(got.String())
	if err != nil {
		return got.String()
	}
	return net.JoinHostPort(host, port)
}

// serve answers on a listener until the system stops.
func (s *system) serve(ln net.Listener, h http.Handler) {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	s.servers = append(s.servers, server)
	go func() { _ = server.Serve(ln) }() // ends by Shutdown
}

// failed tells when an emulator ended by itself. Its data is lost, so the system
// cannot go on.
func (s *system) failed() <-chan error {
	failed := make(chan error, 2)
	for _, c := range []<-chan error{s.firestore.Failed(), s.pubsub.Failed()} {
		go func() { failed <- <-c }()
	}
	return failed
}
