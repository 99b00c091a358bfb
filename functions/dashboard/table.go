package dashboard

import (
	"encoding/csv"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/lethe-analytics/lethe/shared/spreadsheet"
)

// table is a table of a page, and of a CSV file.
type table struct {
	ID      string // in the URL of its CSV and as its file's name
	Caption string
	Columns []string
	Rows    [][]any // of string, int, int64, float64, time.Time, toTheSecond, duration, percent, heat, anchor; nil: nothing
	CSV     string  // its URL, set by render
}

// percent is a share of one, as a cell.
type percent float64

// duration is a number of seconds, as a cell.
type duration float64

// toTheSecond is a time as a cell, of a column that says that it is UTC.
type toTheSecond time.Time

// anchor is a link as a cell.
type anchor struct{ Text, URL string }

// show is a cell as a page has it.
func show(cell any) string {
	switch c := cell.(type) {
	case nil:
		return "–"
	case int:
		return whole(int64(c))
	case int64:
		return whole(c)
	case float64:
		if c == math.Trunc(c) && math.Abs(c) < 1e15 {
			return whole(int64(c))
		}
		return strconv.FormatFloat(c, 'f', 2, 64)
	case percent:
		return strconv.FormatFloat(100*float64(c), 'f', 1, 64) + " %"
	case duration:
		return took(float64(c))
	case time.Time:
		return c.UTC().Format("2006-01-02 15:04 UTC")
	case toTheSecond:
		return time.Time(c).UTC().Format(time.DateTime)
	case anchor:
		return c.Text
	case heat:
		if c.Of == 0 {
			return show(nil)
		}
		return strconv.FormatFloat(100*c.share(), 'f', 0, 64) + " % (" + whole(c.Count) + ")"
	}
	return fmt.Sprint(cell)
}

// class is the class of a cell in the stylesheet.
func class(cell any) string {
	if h, ok := cell.(heat); ok {
		return "number heat-" + strconv.Itoa(h.level())
	}
	if isNumber(cell) {
		return "number"
	}
	switch cell.(type) {
	case time.Time, toTheSecond:
		return "when"
	}
	return ""
}

// isNumber reports whether a cell stands to the right.
func isNumber(cell any) bool {
	switch cell.(type) {
	case int, int64, float64, percent, duration, heat:
		return true
	}
	return false
}

// Right reports whether a column has numbers; one without values is as the one before it.
func (t *table) Right(column int) bool {
	for _, row := range t.Rows {
		if column < len(row) && row[column] != nil {
			return isNumber(row[column])
		}
	}
	return column > 0 && t.Right(column-1)
}

// whole is a number with its thousands apart.
func whole(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// plainCell is a cell as a CSV file has it: numbers as they are, texts guarded.
func plainCell(cell any) string {
	switch c := cell.(type) {
	case nil:
		return ""
	case int:
		return strconv.Itoa(c)
	case int64:
		return strconv.FormatInt(c, 10)
	case float64:
		return strconv.FormatFloat(c, 'f', -1, 64)
	case percent:
		return strconv.FormatFloat(float64(c), 'f', -1, 64)
	case duration:
		return strconv.FormatFloat(float64(c), 'f', -1, 64)
	case time.Time:
		return c.UTC().Format(time.RFC3339)
	case toTheSecond:
		return time.Time(c).UTC().Format(time.RFC3339)
	case heat:
		return strconv.FormatInt(c.Count, 10)
	case anchor:
		return spreadsheet.GuardText(c.Text)
	}
	return spreadsheet.GuardText(fmt.Sprint(cell))
}

// csvPath is the page's own URL, asking for a table as CSV.
func (v *visit) csvPath(id string) string {
	q := v.r.URL.Query()
	q.Set("format", "csv")
	q.Set("table", id)
	return v.r.URL.Path + "?" + q.Encode()
}

// csv answers with the table that is asked for, or else the first.
func (v *visit) csv(tables []*table) error {
	for _, t := range tables {
		if asked := v.query.Get("table"); asked != "" && asked != t.ID {
			continue
		}
		v.w.Header().Set("Content-Type", "text/csv; charset=utf-8")
		v.w.Header().Set("Content-Disposition", `attachment; filename="`+t.ID+`.csv"`)
		out := csv.NewWriter(v.w)
		head := make([]string, len(t.Columns))
		for i, c := range t.Columns {
			head[i] = spreadsheet.GuardText(c)
			if slices.ContainsFunc(t.Rows, func(row []any) bool { _, ok := row[i].(duration); return ok }) {
				head[i] += " (seconds)"
			}
		}
		_ = out.Write(head) // errors of a client that went away
		for _, row := range t.Rows {
			cells := make([]string, len(row))
			for i, c := range row {
				cells[i] = plainCell(c)
			}
			_ = out.Write(cells)
		}
		out.Flush()
		return nil
	}
	return v.failure(http.StatusNotFound, failure{Title: "There is no such table", Detail: "This page has no table of that name, or nothing to show yet."})
}
