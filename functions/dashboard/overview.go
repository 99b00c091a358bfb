package dashboard

import (
	"net/url"

	"golang.org/x/sync/errgroup"
)

// overviewData is what the first page shows.
type overviewData struct {
	Period         period
	Zones          []string
	Problem        *problem
	Events, Names  int64
	Busiest        string
	Days, People   *drawing
	Empty, Nothing bool   // no event in the period; none at all, as far as is known
	URL            string // where events are sent
}

// overview answers GET /.
func (s *server) overview(v *visit) error {
	if clean, untidy := v.untidy(); untidy {
		return v.redirect(clean)
	}
	d := overviewData{Period: v.period(14), Zones: zones, URL: s.config.PublicURL, Nothing: len(v.query) == 0}
	q := d.Period.query()
	q.Set("limit", "50")
	var top topEvents
	err := v.api.get(v.ctx, "/v1/reports/top-events", q, &top)
	if d.Problem = invalid(err); d.Problem != nil {
		return v.renderAs(d.Problem.Status, "overview", "Overview", d)
	}
	if err != nil {
		return err
	}
	list := &table{ID: "top-events", Caption: "Top events", Columns: []string{"Event", "Events", "People"}}
	for _, e := range top.Events {
		var name any = anchor{e.Event, "/explore?" + url.Values{"event": {e.Event}, "from": {d.Period.From}, "to": {d.Period.To}}.Encode()}
		if e.Other {
			name = allOthers
		}
		list.Rows = append(list.Rows, []any{name, e.Total, e.Unique})
		d.Events += e.Total
	}
	d.Names = int64(len(top.Events) + top.LeftOut)
	names := top.names()
	if len(names) == 0 {
		d.Empty = true
		return v.render("overview", "Overview", d, list)
	}
	d.Busiest = names[0]
	var days, people *table
	g, ctx := errgroup.WithContext(v.ctx)
	draw := func(measure, id, caption string, into **drawing, beside **table) func() error {
		return func() error {
			q := d.Period.query()
			q.Set("measure", measure) // of all events
			var a segmentation
			err := v.api.get(ctx, "/v1/reports/segmentation", q, &a)
			if err == nil {
				*into, *beside, err = a.chart(id, caption, "")
			}
			return err
		}
	}
	g.Go(draw("total", "events-by-day", "Events by day", &d.Days, &days))
	g.Go(draw("unique", "people-by-day", "People by day", &d.People, &people))
	err = g.Wait()
	if d.Problem = invalid(err); d.Problem != nil { // more days than a chart has
		return v.renderAs(d.Problem.Status, "overview", "Overview", d)
	}
	if err != nil {
		return err
	}
	return v.render("overview", "Overview", d, list, days, people)
}
