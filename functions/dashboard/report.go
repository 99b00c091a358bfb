package dashboard

import (
	"net/url"
	"slices"
	"strings"
	"time"
)

// What the reports' pages share: days, pickers, and what the API answers.

// period are the days that a report is of, as its form has them.
type period struct{ From, To, TZ string }

// period reads the days of a report; without any it is the last so many.
func (v *visit) period(days int) period {
	p := period{v.query.Get("from"), v.query.Get("to"), v.query.Get("tz")}
	zone, err := time.LoadLocation(p.TZ)
	if err != nil || p.TZ == "Local" {
		zone = time.UTC // the API tells what is wrong with it
	}
	today := time.Now().In(zone)
	if p.To == "" {
		p.To = today.Format(time.DateOnly)
	}
	if p.From == "" {
		end, err := time.Parse(time.DateOnly, p.To)
		if err != nil {
			end = today
		}
		p.From = end.AddDate(0, 0, 1-days).Format(time.DateOnly)
	}
	return p
}

// query is the period as the API takes it.
func (p period) query() url.Values {
	q := url.Values{"from": {p.From}, "to": {p.To}}
	if p.TZ != "" {
		q.Set("tz", p.TZ)
	}
	return q
}

// untidy reports whether the form has sent fields that are empty; the page then goes on at
// the URL without them, which is the one to share.
func (v *visit) untidy() (clean string, untidy bool) {
	q := url.Values{}
	for name, values := range v.query {
		if n, ok := strings.CutPrefix(name, "o"); ok && len(n) == 1 && n[0] <= '9' && v.query.Get("p"+n) == "" {
			untidy = true // the comparison of a filter that there is none of
			continue
		}
		kept := slices.DeleteFunc(slices.Clone(values), func(s string) bool { return s == "" })
		untidy = untidy || len(kept) < len(values)
		if len(kept) > 0 {
			q[name] = kept
		}
	}
	clean = v.r.URL.Path
	if len(q) > 0 {
		clean += "?" + q.Encode()
	}
	return clean, untidy
}

// topEvents is what GET /v1/reports/top-events answers.
type topEvents struct {
	Events []struct {
		Event  string
		Other  bool
		Total  int64
		Unique int64
	}
	LeftOut int `json:"left_out"`
}

func (t *topEvents) names() (names []string) {
	for _, e := range t.Events {
		if !e.Other {
			names = append(names, e.Event)
		}
	}
	return names
}

// pickers are what the fields of a report offer. They are suggestions: anything can be
// written into the fields.
type pickers struct{ Events, Properties, Zones []string }

// zones are some that are offered; every name of the IANA database is taken.
var zones = []string{"UTC", "Europe/Berlin", "Europe/London", "Europe/Paris", "Europe/Madrid", "America/New_York", "America/Chicago", "America/Los_Angeles", "America/Sao_Paulo", "Asia/Kolkata", "Asia/Singapore", "Asia/Tokyo", "Australia/Sydney"}

// pickers asks for the names of the last 30 days; properties only of an event, if one is
// chosen.
func (v *visit) pickers(event string) (p pickers, err error) {
	p.Zones = zones
	var top topEvents
	q := url.Values{"limit": {"200"}}
	today := time.Now().UTC()
	q.Set("to", today.Format(time.DateOnly))
	q.Set("from", today.AddDate(0, 0, -29).Format(time.DateOnly))
	if err := v.api.get(v.ctx, "/v1/reports/top-events", q, &top); err != nil {
		return p, err
	}
	p.Events = top.names()
	if event == "" || len(p.Events) == 0 {
		return p, nil
	}
	var found struct{ Properties []struct{ Name string } }
	err = v.api.get(v.ctx, "/v1/reports/properties", url.Values{"event": {event}}, &found)
	if invalid(err) != nil {
		return p, nil // the report itself tells what is wrong with the event
	}
	for _, f := range found.Properties[:min(len(found.Properties), 200)] {
		p.Properties = append(p.Properties, f.Name)
	}
	return p, err
}

// option is one entry of a choice.
type option struct {
	Value, Name string
	Chosen      bool
}

// choice makes the entries of a choice from pairs of value and name; the first is chosen
// unless another is.
func choice(chosen string, pairs ...string) (list []option) {
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, option{pairs[i], pairs[i+1], pairs[i] == chosen})
	}
	return list
}
