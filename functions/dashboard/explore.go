package dashboard

import (
	"net/http"
)

// exploreData is what the page of segmentation shows.
type exploreData struct {
	Period         period
	Pick           pickers
	Zones          []string
	Events         [2]string
	Measure, Unit  []option
	On, By         string
	Filters        []filter
	Filtered       bool
	Any            bool
	Where, Written string // the condition as it was asked; the part that was written out
	Problem        *problem
	Asked          bool
	Drawing        *drawing
	Left           string
	Nothing, Empty bool
	URL            string
}

// explore answers GET /explore: a segmentation, by a form whose URL can be shared.
func (s *server) explore(v *visit) error {
	if clean, untidy := v.untidy(); untidy {
		return v.redirect(clean)
	}
	q := v.query
	d := exploreData{
		Period: v.period(30), On: q.Get("on"), By: q.Get("by"), Written: q.Get("where"), Any: q.Get("match") == "any", Filters: v.filters(), URL: s.config.PublicURL,
		Measure: choice(q.Get("measure"), "total", "Events", "unique", "People", "sum", "Sum of", "average", "Average of", "median", "Median of", "p90", "90th percentile of", "min", "Least", "max", "Most"),
		Unit:    choice(q.Get("unit"), "day", "Day", "hour", "Hour", "week", "Week", "month", "Month"),
	}
	copy(d.Events[:], q["event"])
	d.Where = condition(d.Filters, d.Any, d.Written)
	d.Filtered = d.Where != ""
	var err error
	if d.Pick, err = v.pickers(d.Events[0]); err != nil {
		return err
	}
	d.Zones = d.Pick.Zones
	d.Asked = d.Events[0] != ""
	d.Nothing = len(d.Pick.Events) == 0
	if !d.Asked {
		return v.render("explore", "Explore", d)
	}
	ask := d.Period.query()
	ask["event"] = q["event"]
	for _, name := range []string{"measure", "on", "by", "unit"} {
		if value := q.Get(name); value != "" {
			ask.Set(name, value)
		}
	}
	if d.Where != "" {
		ask.Set("where", d.Where)
	}
	var a segmentation
	err = v.api.get(v.ctx, "/v1/reports/segmentation", ask, &a)
	if d.Problem = invalid(err); d.Problem != nil {
		return v.renderAs(http.StatusBadRequest, "explore", "Explore", d)
	}
	if err != nil {
		return err
	}
	totals := &table{ID: "totals", Caption: "In all", Columns: []string{d.first(), "Total"}}
	sum := int64(0)
	names := a.names(d.By)
	for i, of := range a.Series {
		totals.Rows = append(totals.Rows, []any{names[i], a.total(of)})
		sum += of.Total
	}
	d.Empty, d.Left = sum == 0, a.left()
	drawing, overTime, err := a.chart("over-time", "Over time", d.By)
	if err != nil {
		return err
	}
	if !d.Empty {
		d.Drawing = drawing
	}
	return v.render("explore", "Explore", d, overTime, totals)
}

// first heads the column of what is counted apart.
func (d *exploreData) first() string {
	if d.By != "" {
		return d.By
	}
	return "Event"
}
