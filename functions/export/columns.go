package export

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/spreadsheet"
)

// columns of a CSV file behind those that every event has: the properties asked for,
// or one with all of them as JSON.
func (w *eventWriter) columns() []string {
	if len(w.params.Properties) > 0 {
		return w.params.Properties
	}
	return []string{"properties"}
}

func (w *eventWriter) writeCSV(e *event.Event) error {
	row := []string{spreadsheet.GuardText(e.Name), e.Time.Time().Format("2006-01-02T15:04:05.000Z"), spreadsheet.GuardText(e.DistinctID), spreadsheet.GuardText(e.InsertID)}
	if len(w.params.Properties) == 0 {
		row = append(row, spreadsheet.GuardJSON(e.Properties))
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

// cell is a value as a cell: a text without its quotes, or JSON. A number is a number to
// a spreadsheet too.
func cell(v jsontext.Value) string {
	if text, err := jsontext.AppendUnquote(nil, v); err == nil {
		return spreadsheet.GuardText(string(text))
	}
	return spreadsheet.GuardJSON(string(v))
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
