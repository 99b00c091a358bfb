package main

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/sync/errgroup"
)

// job is the import of one input.
type job struct {
	options      options
	name         string
	file         *os.File // nil: standard input
	source       io.Reader
	lines        *lines
	state        state
	statePath    string
	rejectedPath string
	rejected     *os.File // opened when there is something to be written
	bar          *progressbar.ProgressBar
}

func openJob(o options, name string, stdin io.Reader) (*job, error) {
	j := &job{options: o, name: name, source: stdin, statePath: o.state, rejectedPath: cmp.Or(o.rejected, "import.rejected.ndjson")}
	var size int64
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		info, err := f.Stat()
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		j.file, j.source, size = f, f, info.Size()
		j.statePath, j.rejectedPath = cmp.Or(o.state, name+".import.json"), cmp.Or(o.rejected, name+".rejected.ndjson")
	}
	zone := ""
	if o.zone != nil {
		zone = o.zone.String()
	}
	var err error
	if j.state, err = readState(j.statePath, size, zone); err != nil {
		return nil, errors.Join(err, j.close())
	}
	return j, nil
}

func (j *job) close() error {
	var errs []error
	for _, f := range []*os.File{j.file, j.rejected} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// begin puts the input where the state says.
func (j *job) begin() error {
	in := bufio.NewReaderSize(j.source, 64<<10)
	if magic, _ := in.Peek(2); string(magic) == "\x1f\x8b" { // of a shorter input the first line says what is wrong
		zr, err := gzip.NewReader(in)
		if err != nil {
			return fmt.Errorf("is not valid gzip: %w", err)
		}
		in = bufio.NewReaderSize(zr, 64<<10)
	}
	if n, err := io.CopyN(io.Discard, in, j.state.Bytes); err != nil {
		return fmt.Errorf("ends after %d bytes, of which %d have been imported already: %w", n, j.state.Bytes, err)
	}
	j.lines = &lines{in: in, bytes: j.state.Bytes, n: j.state.Lines}
	return nil
}

// run imports all that is left. Batches are sent several at a time and acknowledged in
// their order, so that the state is one number.
func (j *job) run(ctx context.Context, s *sender, out io.Writer, terminal bool) error {
	if terminal {
		j.bar = progressbar.NewOptions64(cmp.Or(j.state.Size, -1), progressbar.OptionSetWriter(out), progressbar.OptionSetDescription(j.name),
			progressbar.OptionShowBytes(true), progressbar.OptionSetPredictTime(true), progressbar.OptionThrottle(100_000_000), progressbar.OptionClearOnFinish())
		j.source = io.TeeReader(j.source, j.bar)
		defer func() { _ = j.bar.Finish() }()
	}
	if err := j.begin(); err != nil {
		return err
	}
	queue := make(chan *batch, j.options.parallel-1) // and the one that waits to be acknowledged
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(queue)
		for {
			b, err := j.next()
			if err != nil || b.lines == 0 {
				return err
			}
			select {
			case queue <- b:
			case <-ctx.Done():
				return ctx.Err()
			}
			g.Go(func() error {
				err := b.send(ctx, s)
				b.done <- err
				return err
			})
		}
	})
	g.Go(func() error {
		for b := range queue {
			select {
			case err := <-b.done:
				if err == nil {
					err = j.acknowledge(b)
				}
				if err != nil {
					return err
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	return g.Wait()
}

// send sends a batch and notes what is refused of it.
func (b *batch) send(ctx context.Context, s *sender) error {
	if len(b.records) == 0 {
		return nil
	}
	failures, err := s.send(ctx, b.body)
	if err != nil {
		return err
	}
	for _, f := range failures {
		if f.Index < 0 || f.Index >= len(b.records) {
			return fmt.Errorf("the server refuses record %d of %d", f.Index, len(b.records))
		}
		r := b.records[f.Index]
		b.refused = append(b.refused, refusal{r.line, f.Field, f.Message, string(r.text)})
	}
	slices.SortFunc(b.refused, func(a, b refusal) int { return cmp.Compare(a.Line, b.Line) })
	return nil
}

// acknowledge writes down what has become of a batch.
func (j *job) acknowledge(b *batch) error {
	if len(b.refused) > 0 && j.rejected == nil {
		f, err := os.OpenFile(j.rejectedPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		j.rejected = f
	}
	for _, r := range b.refused {
		line, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("write a refused record: %w", err)
		}
		if _, err := j.rejected.Write(append(line, '\n')); err != nil {
			return err
		}
	}
	sent := 0
	for _, r := range b.records {
		if !slices.ContainsFunc(b.refused, func(f refusal) bool { return f.Line == r.line }) {
			sent++
		}
	}
	j.state.Bytes, j.state.Lines = b.bytes, b.lines
	j.state.Stored += sent
	j.state.Rejected += len(b.refused)
	return j.state.save(j.statePath)
}

// tell says how far it is.
func (j *job) tell(out io.Writer) {
	fmt.Fprintf(out, "%s: %s imported, of %s", j.name, plural(j.state.Stored, "event"), plural(j.state.Lines, "line"))
	if j.state.Rejected > 0 {
		fmt.Fprintf(out, "; %d refused: see %s", j.state.Rejected, j.rejectedPath)
	}
	fmt.Fprintln(out)
}

func plural[T int | int64](n T, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprint(n, " ", noun)
}
