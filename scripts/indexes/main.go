// Command indexes runs tests and says which indexes their queries need that
// terraform/firestore.tf does not have. Production refuses a query without its index; the
// emulator answers it, so no other test would tell.
//
//	COMMAND ─ clients of tests (localquery) ─▶ database, collection, filters, orders
//	firestore.tf ─▶ composite and single-field indexes ─▶ is there one (or several to merge)?
//
//	go run ./emulators -- go run ./scripts/indexes -- go test ./...
//	go run ./emulators -- go run ./scripts/indexes -all -- go test ./...   # no index too many either
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"

	"github.com/lethe-analytics/lethe/emulators/local/localquery"
)

type query = localquery.Query

const nameField = localquery.NameField

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout)
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() > 0 {
		os.Exit(exit.ExitCode())
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "indexes:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	fs := flag.NewFlagSet("indexes", flag.ContinueOnError)
	file := fs.String("config", "terraform/firestore.tf", "the indexes")
	all := fs.Bool("all", false, "complain of indexes that no query needed: the command makes them all")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() == 0 {
		return errors.New("name a command to run")
	}
	config, err := readConfig(*file)
	if err != nil {
		return err
	}
	made, err := os.CreateTemp("", "lethe-queries-")
	if err != nil {
		return err
	}
	defer os.Remove(made.Name())
	defer made.Close()
	cmd := exec.CommandContext(ctx, fs.Arg(0), fs.Args()[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), localquery.Variable+"="+made.Name())
	if err := cmd.Run(); err != nil {
		return err
	}
	queries, err := localquery.Read(made)
	if err != nil {
		return err
	}
	return judge(config, queries, *all, out)
}

// judge prints what is wrong, and fails if anything is.
func judge(c *config, queries []query, all bool, out io.Writer) error {
	wrong := 0
	for _, q := range queries {
		if why := c.check(q); why != "" {
			wrong++
			fmt.Fprintf(out, "indexes: %s: %s\n", q, why)
		}
	}
	if all {
		for _, x := range c.unused() {
			wrong++
			fmt.Fprintf(out, "indexes: no query needs %s\n", x)
		}
	}
	fmt.Fprintf(out, "indexes: %d queries, %d wrong\n", len(queries), wrong)
	if wrong > 0 {
		return errors.New("terraform/firestore.tf does not have the indexes that the code needs")
	}
	return nil
}
