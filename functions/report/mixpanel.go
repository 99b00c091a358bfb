package report

import (
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/mixpanel"
	"github.com/lethe-analytics/lethe/shared/web"
	"github.com/lethe-analytics/lethe/shared/where"
)

// The files mixpanel_*.go answer Mixpanel's query API
// (https://docs.mixpanel.com/reference/query-api) with our own reports. The project
// is that of the key; project_id and workspace_id are not needed. Other parameters
// that are not known are refused, since an answer without them would be a wrong one.

// basic lets a service account in, which sends its key as the password of HTTP Basic
// (RFC 7617); the user's name says nothing. Errors are in Mixpanel's form.
func basic(route web.Route) web.Route {
	guarded := route.Handler
	route.Handler = func(w http.ResponseWriter, r *http.Request) error {
		if _, key, ok := r.BasicAuth(); ok {
			r = r.Clone(r.Context())
			r.Header.Set("Authorization", "Bearer "+key)
		}
		return inOneLine(guarded(w, r))
	}
	return mixpanel.Route(route)
}

// inOneLine puts all that is wrong with the fields into the detail: Mixpanel's form of
// error has nothing else.
func inOneLine(err error) error {
	var f *fault.Error
	if !errors.As(err, &f) || len(f.Fields) < 2 {
		return err
	}
	detail := ""
	for i, field := range f.Fields {
		if i > 0 {
			detail += "; "
		}
		detail += field.Name + ": " + field.Detail
	}
	return &fault.Error{Kind: f.Kind, Detail: detail, Fields: f.Fields, Cause: f.Cause}
}

// mixpanelQuery reads the parameters that all of Mixpanel's endpoints have.
func mixpanelQuery(r *http.Request) *web.Query {
	p := web.ParseQuery(r)
	p.All("project_id")
	p.All("workspace_id")
	return p
}

// mixpanelDates are from_date, to_date and tz.
func mixpanelDates(p *web.Query) span {
	from, to := p.Date("from_date"), p.Date("to_date")
	p.Required("from_date", "to_date")
	if !from.IsZero() && !to.IsZero() && from.After(to) {
		p.Fail("from_date", "must not be after to_date")
	}
	return newSpan(from, to, zone(p))
}

var (
	simpleName   = regexp.MustCompile(`^[\p{L}\p{N}_$ -]+$`)
	propertyText = regexp.MustCompile(`^(?:number|string)?\(?(properties\[.*\])\)?$`)
)

// expression is the property of a parameter on: properties["name"], also within
// number() or string(), or the bare name.
func expression(p *web.Query, name string) string {
	v, ok := p.One(name)
	if !ok {
		return ""
	}
	if m := propertyText.FindStringSubmatch(v); m != nil {
		if e, err := where.Parse(m[1]); err == nil && len(e.Names()) == 1 {
			if property, err := where.Parse(`properties[` + quoted(e.Names()[0]) + `]`); err == nil && e.String() == property.String() {
				checkName(p, name, e.Names()[0])
				return e.Names()[0]
			}
		}
	}
	if !simpleName.MatchString(v) {
		p.Fail(name, `must be a property: properties["name"]`)
	}
	checkName(p, name, v)
	return v
}

func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return `""`
	}
	return string(b)
}

// list is a parameter that is a JSON array of strings; nil where it is absent.
func list(p *web.Query, name string, most int) []string {
	v, ok := p.One(name)
	if !ok {
		return nil
	}
	var items []string
	if err := json.Unmarshal([]byte(v), &items); err != nil || len(items) == 0 || len(items) > most {
		p.Fail(name, `must be a JSON array of 1 to %d strings, as ["a"]`, most)
		return nil
	}
	for i, item := range items {
		if slices.Contains(items[:i], item) {
			p.Fail(name, "names one twice")
		}
	}
	return items
}

// dateText is how Mixpanel writes the beginning of a bucket.
func dateText(unit string, at time.Time) string {
	if unit == minutely || unit == hourly {
		return at.Format(time.DateTime)
	}
	return at.Format(time.DateOnly)
}

// routes of Mixpanel's query API.
func (s *server) mixpanel(guard *access.Guard) []web.Route {
	return []web.Route{
		basic(guard.Route(http.MethodGet, "/api/query/segmentation", reader(s.mixpanelSegmentation))),
		basic(guard.Route(http.MethodGet, "/api/query/events/top", reader(s.mixpanelTop))),
		basic(guard.Route(http.MethodGet, "/api/query/retention", reader(s.mixpanelRetention))),
		basic(guard.Route(http.MethodGet, "/api/query/stream/query", s.mixpanelStream)),
		basic(guard.Route(http.MethodGet, "/api/2.0/export", s.mixpanelExport)),
	}
}
