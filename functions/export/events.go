package export

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"cloud.google.com/go/firestore"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
)

// errFull ends the reading of events where the segment or the time is over.
var errFull = errors.New("the segment is full")

// lookEvery is how many events are written between two looks at size and time.
const lookEvery = 256

// events writes a member's events, the oldest day first, from the position on. Done
// is false where the segment or the time ends before. What came after the request
// was made is not in the archive, or its pieces would not fit together.
func (j *job) events(ctx context.Context, key person.Key) (done bool, err error) {
	doc, err := j.doc(ctx, key)
	if err != nil {
		return false, err
	}
	w := &eventWriter{job: j, until: event.Millis(j.slice.Created.UnixMilli()), fence: event.Millis(doc.ErasedAt.UnixMilli())}
	from := cmp.Or(j.pos.Day, j.params.From, "0000-01-01")
	for d, err := range chunk.PersonDaysOnward(ctx, j.db, j.project.ID, key, from, cmp.Or(j.params.To, "9999-12-31")) {
		if err != nil {
			return false, err
		}
		if d.Day != j.pos.Day {
			j.pos.Day, j.pos.At = d.Day, chunk.Place{}
		}
		if err = d.EventsFrom(j.pos.At, w.event); err != nil {
			if !errors.Is(err, errFull) {
				return false, err
			}
			return false, w.end()
		}
	}
	return true, w.end()
}

// doc reads a person's document for the fence; of one who is not there it is empty.
func (j *job) doc(ctx context.Context, key person.Key) (person.Doc, error) {
	snaps, err := j.db.GetAll(ctx, []*firestore.DocumentRef{person.Ref(j.db, j.project.ID, key)})
	if err != nil {
		return person.Doc{}, fmt.Errorf("read person: %w", err)
	}
	var doc person.Doc
	if snaps[0].Exists() {
		if err := snaps[0].DataTo(&doc); err != nil {
			return person.Doc{}, fmt.Errorf("decode person: %w", err)
		}
	}
	return doc, nil
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

// event takes the next event of the day at hand.
func (w *eventWriter) event(at chunk.Place, e *event.Event) error {
	if w.since++; w.since > lookEvery {
		if w.since = 0; w.seg.size() >= segmentSize || !w.slice.Time() {
			w.pos.At = at
			return errFull
		}
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
	return w.write(e)
}

// write writes one event, in the file at hand or a new one.
func (w *eventWriter) write(e *event.Event) error {
	if !w.open {
		w.open, w.written = true, 0
		w.pos.File++
		w.seg.create(fmt.Sprintf("%sevents-%04d.%s", w.folder(), w.pos.File, w.params.Format))
		if w.params.Format == CSV {
			w.csv, w.lookup = csv.NewWriter(w.seg), event.NewLookup(w.params.Properties...)
			if err := w.csv.Write(append([]string{"event", "time", "distinct_id", "$insert_id"}, w.columns()...)); err != nil {
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

// columns of a CSV file behind those that every event has: the properties asked for,
// or one with all of them as JSON.
func (w *eventWriter) columns() []string {
	if len(w.params.Properties) > 0 {
		return w.params.Properties
	}
	return []string{"properties"}
}

func (w *eventWriter) writeCSV(e *event.Event) error {
	row := []string{e.Name, e.Time.Time().Format("2006-01-02T15:04:05.000Z"), e.DistinctID, e.InsertID}
	if len(w.params.Properties) == 0 {
		row = append(row, e.Properties)
	} else {
		values, err := w.lookup.In(e)
		if err != nil {
			return err
		}
		for _, v := range values {
			row = append(row, cell(v))
		}
	}
	if err := w.csv.Write(row); err != nil {
		return fmt.Errorf("write events: %w", err)
	}
	w.csv.Flush() // so that the segment knows its size
	return nil
}

// cell is a value as a cell: a text without its quotes.
func cell(v jsontext.Value) string {
	if text, err := jsontext.AppendUnquote(nil, v); err == nil {
		return string(text)
	}
	return string(v)
}

// keepOnly leaves the named members in an object's text; found is false if it has
// none of them.
func keepOnly(object string, names []string) (text string, found bool, err error) {
	dec := jsontext.NewDecoder(bytes.NewReader([]byte(object)), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if _, err := dec.ReadToken(); err != nil {
		return "", false, fmt.Errorf("read the properties of an event: %w", err)
	}
	out := []byte("{")
	for dec.PeekKind() != '}' {
		name, err := dec.ReadToken()
		if err != nil {
			return "", false, fmt.Errorf("read the properties of an event: %w", err)
		}
		plain := name.String()
		v, err := dec.ReadValue()
		if err != nil {
			return "", false, fmt.Errorf("read the properties of an event: %w", err)
		}
		if !slices.Contains(names, plain) {
			continue
		}
		if found {
			out = append(out, ',')
		}
		found = true
		if out, err = jsontext.AppendQuote(out, plain); err != nil {
			out = strconv.AppendQuote(out, plain)
		}
		out = append(append(out, ':'), v...)
	}
	return string(append(out, '}')), found, nil
}
