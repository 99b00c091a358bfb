package web

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/lethe-analytics/lethe/shared/fault"
)

// Query reads the parameters of a request's query. What is wrong is gathered, and
// Err reports all of it at once; the values read are of use only if Err is nil.
type Query struct {
	values url.Values
	known  map[string]bool
	faults []fault.Field
	broken bool // parts of it could not be read
}

// ParseQuery reads a request's query.
func ParseQuery(r *http.Request) *Query {
	values, err := url.ParseQuery(r.URL.RawQuery)
	return &Query{values: values, known: map[string]bool{}, broken: err != nil}
}

// Fail notes that something is wrong with a parameter.
func (q *Query) Fail(name, format string, args ...any) {
	q.faults = append(q.faults, fault.Field{Name: name, Detail: fmt.Sprintf(format, args...)})
}

// FailWith notes a fault found by another package, with its fields.
func (q *Query) FailWith(name string, err error) {
	var f *fault.Error
	if errors.As(err, &f) && len(f.Fields) > 0 {
		q.faults = append(q.faults, f.Fields...)
		return
	}
	q.Fail(name, "not valid")
}

// All is every value of a parameter that may repeat.
func (q *Query) All(name string) []string {
	q.known[name] = true
	for _, v := range q.values[name] {
		if !utf8.ValidString(v) {
			q.Fail(name, "not valid UTF-8")
			return nil
		}
	}
	return q.values[name]
}

// One is the value of a parameter that must not repeat; ok is false where it is
// absent or empty, as a cursor is for the first page.
func (q *Query) One(name string) (v string, ok bool) {
	all := q.All(name)
	switch len(all) {
	case 0:
		return "", false
	case 1:
		return all[0], all[0] != ""
	}
	q.Fail(name, "must not be repeated")
	return "", false
}

// Choice is one of the allowed values, or the first of them where the parameter
// is absent.
func (q *Query) Choice(name string, allowed ...string) string {
	v, ok := q.One(name)
	if ok && !slices.Contains(allowed, v) {
		q.Fail(name, "must be one of %s", strings.Join(allowed, ", "))
	}
	if !ok {
		return allowed[0]
	}
	return v
}

// Int is a whole number within bounds, or what is given for an absent one.
func (q *Query) Int(name string, absent, least, most int) int {
	v, ok := q.One(name)
	if !ok {
		return absent
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < least || n > most || v[0] == '+' {
		q.Fail(name, "must be a whole number from %d to %d", least, most)
	}
	return n
}

// MinDate is the first day that a date may name: no event is older.
var MinDate = time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)

// Date is a UTC day, as 2006-01-02; zero where it is absent.
func (q *Query) Date(name string) time.Time {
	v, ok := q.One(name)
	if !ok {
		return time.Time{}
	}
	day, err := time.Parse(time.DateOnly, v)
	if err != nil || day.Before(MinDate) {
		q.Fail(name, "must be a date from 1970-01-01, written YYYY-MM-DD (UTC)")
		return time.Time{}
	}
	return day
}

// Dates are the parameters from and to, UTC days, both inclusive; zero where
// absent.
func (q *Query) Dates() (from, to time.Time) {
	from, to = q.Date("from"), q.Date("to")
	if !from.IsZero() && !to.IsZero() && from.After(to) {
		q.Fail("from", "must not be after to")
	}
	return from, to
}

// Required notes parameters that are absent or empty.
func (q *Query) Required(names ...string) {
	for _, name := range names {
		if strings.Join(q.values[name], "") == "" {
			q.Fail(name, "is required")
		}
	}
}

// maxEcho is how much of an unknown parameter's name is told back.
const maxEcho = 40

// Err is nil, or one Invalid fault that names all that is wrong, unknown
// parameters included.
func (q *Query) Err() error {
	if q.broken {
		return fault.InField("query", "not well-formed: parameters are joined by & and percent-encoded")
	}
	for _, name := range slices.Sorted(maps.Keys(q.values)) {
		if q.known[name] {
			continue
		}
		if len(name) > maxEcho || !utf8.ValidString(name) {
			name = strings.ToValidUTF8(name[:min(len(name), maxEcho)], "") + "…"
		}
		q.Fail(name, "is not a parameter of this endpoint, which takes %s", strings.Join(slices.Sorted(maps.Keys(q.known)), ", "))
	}
	switch len(q.faults) {
	case 0:
		return nil
	case 1:
		f := q.faults[0]
		detail := f.Name + ": " + f.Detail
		if f.Column > 0 {
			detail = fmt.Sprintf("%s, column %d: %s", f.Name, f.Column, f.Detail)
		}
		return &fault.Error{Kind: fault.Invalid, Detail: detail, Fields: q.faults}
	}
	return &fault.Error{Kind: fault.Invalid, Detail: fmt.Sprintf("the query has %d problems", len(q.faults)), Fields: q.faults}
}
