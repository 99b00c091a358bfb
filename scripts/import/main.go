// Command import sends a raw export of Mixpanel, or of Lethe, to Lethe.
//
//	FILE, FILE.gz, - ─▶ lines ─▶ batches ─▶ POST /import?strict=1, several at a time
//	                                          ├─ stored ──▶ FILE.import.json: how far it is
//	                                          └─ refused ─▶ FILE.rejected.ndjson: line, reason, record
//
//	export LETHE_URL=https://lethe.example LETHE_TOKEN=…   # the SDK token of the project
//	go run ./scripts/import export-2026-*.ndjson.gz
//	go run ./scripts/import -tz America/New_York old.ndjson
//	gunzip -c old.gz | go run ./scripts/import -
//
// What is interrupted goes on when the same is run again. An event counts once however
// often it is sent: by its $insert_id, and where an old export has none, by one that is
// made of its content, so that two lines that are equal in every respect are one event.
// An export of Lethe's own is taken as well. Imported into the project that it is of, it
// is the same events.
//
// The time of an event is in UTC, unless the export is of a project that keeps its time
// zone's time in it: those made before 2023. -tz names that zone.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
	_ "time/tzdata" // -tz works where the system has no zones

	"golang.org/x/term"

	"github.com/lethe-analytics/lethe/shared/event"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Getenv, os.Args[1:], os.Stdin, os.Stderr)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "import:", err)
		os.Exit(1)
	}
}

// options are the command line and the environment.
type options struct {
	url, token string
	state      string
	rejected   string
	zone       *time.Location // nil: times are in UTC
	parallel   int
	batch      int
	inputs     []string
}

func parseOptions(env func(string) string, args []string, out io.Writer) (o options, err error) {
	o.url, o.token = env("LETHE_URL"), env("LETHE_TOKEN")
	zone := ""
	fs := flag.NewFlagSet("import", flag.ContinueOnError)
	fs.SetOutput(out)
	fs.Usage = func() {
		fmt.Fprint(out, "Usage: import [flags] FILE ...   (a raw export of Mixpanel or of Lethe, gzip too; - is standard input)\n\n"+
			"Sends events to LETHE_URL with the SDK token LETHE_TOKEN. The same again goes on where it ended.\n\n")
		fs.PrintDefaults()
	}
	fs.StringVar(&o.state, "state", "", "`file` that says how far it is (FILE.import.json; none for standard input)")
	fs.StringVar(&o.rejected, "rejected", "", "`file` for records that are refused (FILE.rejected.ndjson); it holds personal data")
	fs.StringVar(&zone, "tz", "", "time `zone` that the times of the export are in, as Europe/Berlin: that of a Mixpanel project made before 2023 (UTC)")
	fs.IntVar(&o.parallel, "parallel", 4, "requests at a time")
	fs.IntVar(&o.batch, "batch", event.MaxItems, "events a request, at most")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	o.inputs = fs.Args()
	switch {
	case len(o.inputs) == 0:
		return o, errors.New("name the files to import, or - for standard input (-h shows the flags)")
	case len(o.inputs) > 1 && o.state+o.rejected != "":
		return o, errors.New("-state and -rejected go with one file")
	case o.url == "" || o.token == "":
		return o, errors.New("set LETHE_URL and LETHE_TOKEN, the SDK token of the project")
	case o.parallel < 1 || o.parallel > 32:
		return o, errors.New("-parallel must be from 1 to 32")
	case o.batch < 1 || o.batch > event.MaxItems:
		return o, fmt.Errorf("-batch must be from 1 to %d", event.MaxItems)
	}
	if zone != "" {
		if o.zone, err = time.LoadLocation(zone); err != nil {
			return o, fmt.Errorf("-tz: there is no time zone %q; names are like Europe/Berlin", zone)
		}
	}
	return o, nil
}

func run(ctx context.Context, env func(string) string, args []string, stdin io.Reader, out io.Writer) error {
	o, err := parseOptions(env, args, out)
	if err != nil {
		return err
	}
	f, ok := out.(*os.File)
	terminal := ok && term.IsTerminal(int(f.Fd()))
	s := newSender(o)
	for _, name := range o.inputs {
		j, err := openJob(o, name, stdin)
		if err != nil {
			return err
		}
		err = errors.Join(j.run(ctx, s, out, terminal), j.close())
		j.tell(out)
		switch {
		case ctx.Err() != nil:
			return errors.New("interrupted; run the same again to go on")
		case err != nil:
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}
