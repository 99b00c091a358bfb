package export

import (
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"slices"

	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/spreadsheet"
)

// errFull ends the reading of events where the segment or the time is over.
var errFull = errors.New("the segment is full")

// lookEvery is how many events are written between two looks at size and time.
const lookEvery = 256

// perIdentity is as how many events an identity counts, since a look into its chunks takes
// time though there be none.
const perIdentity = 8

// writeEvents writes the events of all identities, one after the other. What came after
// the request was made is not in the archive, or its pieces would not fit together.
func (j *job) writeEvents(ctx context.Context) (done bool, err error) {
	w := &eventWriter{job: j, until: event.Millis(j.slice.Created.UnixMilli())}
	done, err = j.eachIdentity(ctx, w.writeIdentity)
	if err != nil {
		return false, err
	}
	return done, w.end()
}

// eventWriter writes events into files of the segment.
type eventWriter struct {
	*job
	until, fence event.Millis // received after the fence and not after until
	since        int          // events since the last look at size and time
	written      int          // events in the file at hand
	open         bool
	buf          []byte
	csv          *csv.Writer
	lookup       *event.Lookup // of the columns
}

// writeIdentity writes an identity's events, the oldest day first, from the position on.
// Done is false where the segment or the time ends before.
func (w *eventWriter) writeIdentity(ctx context.Context, s *person.Standing) (done bool, err error) {
	at := w.pos.Subject
	if w.since += perIdentity; w.isOver() {
		return false, nil
	}
	write := func(p chunk.Place, e *event.Event) error { return w.takeEvent(ctx, p, e) }
	w.fence = event.Millis(s.Own.Doc.ErasedAt.UnixMilli())
	from := cmp.Or(at.Day, w.params.From, "0000-01-01")
	for d, err := range chunk.PersonDaysOnward(ctx, w.db, w.project.ID, s.Own.Key, from, cmp.Or(w.params.To, "9999-12-31")) {
		if err != nil {
			return false, err
		}
		if d.Day != at.Day {
			at.Day, at.At = d.Day, chunk.Place{}
		}
		if err := d.EventsFrom(at.At, write); errors.Is(err, errFull) {
			return false, nil
		} else if err != nil {
			return false, err
		}
	}
	return true, nil
}

// isOver reports whether the segment or the time is over. It looks now and then.
func (w *eventWriter) isOver() bool {
	if w.since <= lookEvery {
		return false
	}
	w.since = 0
	return w.isFull()
}

// takeEvent takes the next event of the day at hand, and writes it if it is asked for.
func (w *eventWriter) takeEvent(ctx context.Context, at chunk.Place, e *event.Event) error {
	if w.since++; w.isOver() {
		w.pos.Subject.At = at
		return errFull
	}
	if e.Received > w.until || w.fence > 0 && e.Received <= w.fence ||
		len(w.params.Events) > 0 && !slices.Contains(w.params.Events, e.Name) {
		return nil
	}
	if len(w.params.Properties) > 0 {
		text, found, err := keepOnly(e.Properties, w.params.Properties)
		if err != nil || !found {
			return err
		}
		e.Properties = text
	}
	text, err := w.reveal(ctx, e.Name, e.Properties)
	if err != nil {
		return err
	}
	e.Properties = text
	return w.writeEvent(e)
}

// writeEvent writes one event, in the file at hand or a new one.
func (w *eventWriter) writeEvent(e *event.Event) error {
	if !w.open {
		w.open, w.written = true, 0
		w.pos.Subject.File++
		w.seg.create(fmt.Sprintf("%sevents-%04d.%s", w.folder(), w.pos.Subject.File, w.params.Format))
		if w.params.Format == CSV {
			w.csv, w.lookup = csv.NewWriter(w.seg), event.NewLookup(w.params.Properties...)
			head := []string{"event", "time", "distinct_id", "$insert_id"}
			for _, name := range w.columns() {
				head = append(head, spreadsheet.GuardText(name))
			}
			if err := w.csv.Write(head); err != nil {
				return fmt.Errorf("write events: %w", err)
			}
		}
	}
	w.buf = w.buf[:0]
	switch w.params.Format {
	case CSV:
		w.written++
		return w.writeCSV(e)
	case JSON:
		w.buf = append(w.buf, "[\n"...)
		if w.written > 0 {
			w.buf = append(w.buf[:0], ",\n"...)
		}
		w.buf = event.AppendJSON(w.buf, e)
	default:
		w.buf = append(event.AppendJSON(w.buf, e), '\n')
	}
	w.written++
	if _, err := w.seg.Write(w.buf); err != nil {
		return fmt.Errorf("write events: %w", err)
	}
	return nil
}

// end ends the file at hand, if there is one.
func (w *eventWriter) end() error {
	if !w.open {
		return nil
	}
	switch w.params.Format {
	case CSV:
		if w.csv.Flush(); w.csv.Error() != nil {
			return fmt.Errorf("write events: %w", w.csv.Error())
		}
	case JSON:
		if _, err := w.seg.Write([]byte("\n]\n")); err != nil {
			return fmt.Errorf("write events: %w", err)
		}
	}
	w.open = false
	w.seg.now.Events = w.written
	return w.seg.end()
}
