package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// startTimeout bounds the whole start, on a slow machine too.
const startTimeout = 3 * time.Minute

// run is the program: start, wait, stop. It returns the exit status.
func run(ctx context.Context, o options) (code int, err error) {
	ctx, signals := watchSignals(ctx)
	defer signals.stop()
	// What COMMAND prints is its own affair; ours goes to standard error then.
	var out io.Writer = os.Stdout
	if len(o.command) > 0 {
		out = os.Stderr
	}
	fmt.Fprintln(os.Stderr, "starting Google's Firestore and Pub/Sub emulators; this takes some seconds")
	s, err := start(ctx, o)
	if err != nil {
		if sig, ok := errors.AsType[signalled](context.Cause(ctx)); ok {
			return sig.status(), errors.New("stopped before it was ready")
		}
		return 1, err
	}
	s.printReady(out)
	if len(o.command) > 0 {
		code, err = s.runCommand(ctx, o.command, signals)
	} else {
		code, err = s.wait(ctx)
	}
	if s.dir.keep {
		fmt.Fprintln(os.Stderr, "stopping; saving the data in", s.dir.path)
	} else {
		fmt.Fprintln(os.Stderr, "stopping")
	}
	if stopErr := s.stop(); stopErr != nil {
		code = max(code, 1)
		err = errors.Join(err, stopErr)
	}
	if violated := s.contract.err(); violated != nil {
		code = max(code, 1)
		err = errors.Join(err, violated)
	}
	return code, err
}

// wait returns when somebody stops the system, or when a part fails.
func (s *system) wait(ctx context.Context) (int, error) {
	select {
	case <-ctx.Done():
		return 0, nil
	case err := <-s.failed():
		return 1, err
	}
}
