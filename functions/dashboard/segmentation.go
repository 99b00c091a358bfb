package dashboard

import (
	"fmt"
	"slices"
	"time"
)

// segmentation is what GET /v1/reports/segmentation answers.
type segmentation struct {
	Unit, Measure string
	Series        []series
	LeftOut       int `json:"left_out"`
	Truncated     bool
}

type series struct {
	Event string
	group
	Total  int64
	Result *float64 // of a measure of numbers
	Points []struct {
		Time   time.Time
		Count  int64
		Result *float64
	}
}

// numeric reports whether the measure is one of a property's numbers.
func (s *segmentation) numeric() bool { return s.Measure != "total" && s.Measure != "unique" }

// total is a series' total as a cell.
func (s *segmentation) total(of series) any { return s.cell(of.Total, of.Result) }

func (s *segmentation) cell(count int64, result *float64) any {
	switch {
	case !s.numeric():
		return count
	case result == nil:
		return nil
	}
	return *result
}

// names are what the series are called where there are others beside them.
func (s *segmentation) names(by string) []string {
	groups := make([]group, len(s.Series))
	for i, of := range s.Series {
		groups[i] = of.group
	}
	values := newGroupNames(groups)
	several := slices.ContainsFunc(s.Series, func(of series) bool { return of.Event != s.Series[0].Event })
	names := make([]string, len(s.Series))
	for i, of := range s.Series {
		switch {
		case by == "" && of.Event == "": // of all events
			names[i] = map[string]string{"total": "Events", "unique": "People"}[s.Measure]
		case by == "":
			names[i] = of.Event
		case several:
			names[i] = of.Event + ": " + values.name(of.group)
		default:
			names[i] = values.name(of.group)
		}
	}
	return names
}

// layouts are how the begin of a bucket is written.
var layouts = map[string]string{"hour": "2006-01-02 15:04", "day": time.DateOnly, "week": time.DateOnly, "month": "2006-01"}

// chart draws the series over time, and has the same numbers as a table.
func (s *segmentation) chart(id, caption, by string) (*drawing, *table, error) {
	c := chart{Caption: caption}
	t := &table{ID: id, Caption: caption, Columns: []string{map[string]string{"hour": "Hour", "day": "Day", "week": "Week of", "month": "Month"}[s.Unit]}}
	if len(s.Series) == 0 || len(s.Series[0].Points) == 0 {
		return nil, t, nil
	}
	shown := s.Series[:min(len(s.Series), maxColumns)]
	for _, p := range s.Series[0].Points {
		c.Labels = append(c.Labels, p.Time.Format(layouts[s.Unit]))
	}
	names := s.names(by)[:len(shown)]
	c.Names, t.Columns = names, append(t.Columns, names...)
	for _, of := range shown {
		line := make([]float64, len(of.Points))
		for i, p := range of.Points {
			line[i] = float64(p.Count)
			if s.numeric() {
				line[i] = missing
				if p.Result != nil {
					line[i] = *p.Result
				}
			}
		}
		c.Lines = append(c.Lines, line)
	}
	for i := range c.Labels {
		row := []any{c.Labels[i]}
		for _, of := range shown {
			row = append(row, s.cell(of.Points[i].Count, of.Points[i].Result))
		}
		t.Rows = append(t.Rows, row)
	}
	d, err := c.draw()
	return d, t, err
}

// maxColumns is how many series stand beside each other in a table.
const maxColumns = 50

// left says what of a report is not shown.
func (s *segmentation) left() string {
	switch {
	case s.Truncated:
		return "There are more values than are tracked; the last to come are counted as all others."
	case s.LeftOut > 0:
		return fmt.Sprintf("%s more are not shown. A filter shows fewer.", whole(int64(s.LeftOut)))
	}
	return ""
}
