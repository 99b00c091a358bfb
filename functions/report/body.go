package report

import (
	"fmt"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/web"
	"github.com/lethe-analytics/lethe/shared/where"
)

// maxBody bounds the body of a question: ten steps, each with the longest where.
const maxBody = 128 << 10

// Selector is how a question names events.
type Selector struct {
	Event string `json:"event"`
	Where string `json:"where"`
}

// problems gathers what is wrong with a body, as web.Query does with a query.
type problems struct{ fields []fault.Field }

func (p *problems) fail(name, format string, args ...any) {
	p.fields = append(p.fields, fault.Field{Name: name, Detail: fmt.Sprintf(format, args...)})
}

// selection checks one selector; the event may be left out where any will do.
func (p *problems) selection(field string, s Selector, anyEvent bool) selection {
	switch {
	case s.Event == "" && !anyEvent:
		p.fail(field+".event", "is required")
	case len(s.Event) > maxName:
		p.fail(field+".event", "must be at most %d bytes", maxName)
	}
	sel := selection{event: s.Event}
	if s.Where == "" {
		return sel
	}
	e, err := where.Parse(s.Where)
	if err != nil {
		detail, fields := web.Describe(err)
		f := fault.Field{Name: field + ".where", Detail: detail}
		if len(fields) == 1 {
			f.Detail, f.Column = fields[0].Detail, fields[0].Column
		}
		p.fields = append(p.fields, f)
	}
	sel.where = e
	return sel
}

// days checks from, to and tz.
func (p *problems) days(from, to, tz string) span {
	zone, ok := parseZone(tz)
	if !ok {
		p.fail("tz", badZone)
	}
	a, b := p.date("from", from), p.date("to", to)
	if !a.IsZero() && !b.IsZero() && a.After(b) {
		p.fail("from", "must not be after to")
	}
	return newSpan(a, b, zone)
}

func (p *problems) date(name, v string) time.Time {
	day, err := time.Parse(time.DateOnly, v)
	switch {
	case v == "":
		p.fail(name, "is required")
	case err != nil || day.Before(web.MinDate):
		p.fail(name, "must be a date from 1970-01-01, written YYYY-MM-DD")
	default:
		return day
	}
	return time.Time{}
}

// within checks a whole number, which must be there.
func (p *problems) within(name string, n, least, most int) {
	if n < least || n > most {
		p.fail(name, "is required: a whole number from %d to %d", least, most)
	}
}

// property checks the name of a property, which may be absent.
func (p *problems) property(name, v string) {
	if len(v) > maxName || !utf8.ValidString(v) {
		p.fail(name, "must be at most %d bytes", maxName)
	}
}

func (p *problems) err() error {
	switch len(p.fields) {
	case 0:
		return nil
	case 1:
		f := p.fields[0]
		return &fault.Error{Kind: fault.Invalid, Detail: f.Name + ": " + f.Detail, Fields: p.fields}
	}
	return &fault.Error{Kind: fault.Invalid, Detail: fmt.Sprintf("the body has %d problems", len(p.fields)), Fields: p.fields}
}

// readBody reads a question and gives what is wrong with its JSON.
func readBody[T any](w http.ResponseWriter, r *http.Request) (body T, err error) {
	err = web.ReadJSON(w, r, maxBody, &body)
	return body, err
}
