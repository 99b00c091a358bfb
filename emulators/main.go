// Program emulators is a whole Lethe on one machine.
//
//	                 ┌─▶ ingest ─▶ Pub/Sub emulator ─▶ relay ─▶ store ─┐
//	-addr ─▶ gateway ┼─▶ report ◀──────────────────────────────────────┤ Firestore emulator
//	                 └─▶ person ◀──────────────────────────────────────┘
//
// Each function is a process of its own: this program run again (child.go) when the
// first request for it comes, and again when it dies. See package local for the parts,
// README.md for the use.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
)

const usage = `Usage: go run ./emulators [-addr HOST:PORT] [-data DIR] [-- COMMAND ...]

Runs a whole Lethe on this machine until Ctrl-C, or until COMMAND ends.
COMMAND finds LETHE_URL, LETHE_PROJECT, LETHE_TOKEN, LETHE_KEY and the
*_EMULATOR_HOST variables of Google's client libraries in its environment, and
LETHE_CONTROL, where it can make faults (see emulators/control.go). Its status is
the exit status (under "go run", go itself turns any failure into 1).

`

// options are the command line.
type options struct {
	addr    string
	data    string
	command []string
}

func main() {
	if os.Getenv(childVariable) != "" {
		os.Exit(serveFunction())
	}
	o, err := parseOptions(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "emulators: %v\n", err)
		os.Exit(2)
	}
	code, err := run(context.Background(), o)
	if err != nil {
		fmt.Fprintf(os.Stderr, "emulators: %v\n", err)
	}
	os.Exit(code)
}

// parseOptions reads the command line; -h prints the usage to out.
func parseOptions(args []string, out io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("emulators", flag.ContinueOnError)
	flags.StringVar(&o.addr, "addr", "localhost:8080", "`address` of the gateway; every other port is picked among the free ones")
	flags.StringVar(&o.data, "data", "", "`directory` that keeps the data between runs; it is saved at an orderly stop, so SIGKILL loses what came since the start")
	flags.SetOutput(io.Discard)
	flags.Usage = func() {}
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		flags.SetOutput(out)
		fmt.Fprint(out, usage)
		flags.PrintDefaults()
		return o, err
	}
	if err != nil {
		return o, fmt.Errorf("%w (-h shows the flags)", err)
	}
	o.command = flags.Args()
	before := len(args) - len(o.command)
	if len(o.command) > 0 && (before == 0 || args[before-1] != "--") {
		return o, fmt.Errorf("unexpected argument %q; a command is written after two dashes, like: emulators -- go test -v", o.command[0])
	}
	if len(o.command) == 0 && len(args) > 0 && args[len(args)-1] == "--" {
		return o, errors.New("no command after --")
	}
	if len(o.command) > 0 {
		if _, err := exec.LookPath(o.command[0]); err != nil {
			return o, fmt.Errorf("the command cannot be run: %w", err)
		}
	}
	return o, nil
}
