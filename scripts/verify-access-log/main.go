// Verify-access-log checks a project's access log: that each entry is as it was
// sealed, and that none was removed or put in.
//
//	LETHE_KEY=… verify-access-log -url https://… [-dir DIR] [-key KEY]
//	verify-access-log -dir DIR [-key KEY]
//
//	-url ─ download ─▶ DIR/key, checkpoint, entries.ndjson, tile/… ─ check, without any network ─▶ 0 or 1
//
// LETHE_KEY is an API key with the role admin. With a DIR that was used before, the
// log is also held against the checkpoint of that time, so that what was true then
// must be so still. KEY is the verifier key of the log; without it the one in DIR is
// taken, or the one that the server tells the first time. Keep it: who can forge the
// log and tell you the key can deceive you.
//
// The status is 0 if the log is whole, 1 if not, 2 if it could not be checked.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var o options
	flag.StringVar(&o.url, "url", "", "where the API is; empty checks what DIR has")
	flag.StringVar(&o.dir, "dir", "", "where to keep what is downloaded")
	flag.StringVar(&o.key, "key", "", "verifier key of the log")
	flag.Parse()
	o.apiKey, o.pause = os.Getenv("LETHE_KEY"), 3*time.Second
	whole, err := run(ctx, o, os.Stdout)
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "verify-access-log:", err)
		os.Exit(2)
	case !whole:
		os.Exit(1)
	}
}

type options struct {
	url, dir, key, apiKey string
	pause                 time.Duration // before looking for a newer checkpoint
}

// run checks the log and says what it finds.
func run(ctx context.Context, o options, out io.Writer) (whole bool, err error) {
	if o.dir == "" {
		if o.url == "" {
			return false, errors.New("give -url, -dir or both")
		}
		if o.dir, err = os.MkdirTemp("", "access-log-"); err != nil {
			return false, err
		}
		defer os.RemoveAll(o.dir)
	}
	if o.url != "" {
		d := &download{options: o, dir: directory(o.dir), out: out}
		if err := d.all(ctx); err != nil {
			return false, fmt.Errorf("download: %w", err)
		}
	}
	return check(directory(o.dir), o.key, out)
}
