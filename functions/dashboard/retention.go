package dashboard

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// retention is what POST /v1/reports/retention answers.
type retention struct {
	Unit    string
	Cohorts []struct {
		Time    time.Time
		Size    int64
		Returns []*int64 // null: not begun yet
	}
}

// heat is a cell of the heat map: how many came back, and of how many.
type heat struct{ Count, Of int64 }

func (h heat) share() float64 {
	if h.Of == 0 {
		return 0
	}
	return float64(h.Count) / float64(h.Of)
}

// Level is how dark the cell is, 0 to 10. The number stands in it: colour alone tells
// nothing.
func (h heat) level() int {
	if h.Count == 0 {
		return 0
	}
	return max(1, min(10, int(h.share()*10)))
}

type retentionData struct {
	Period                period
	Pick                  pickers
	Zones                 []string
	Born, BornWhere       string
	Return, ReturnWhere   string
	Unit                  []option
	Intervals             string
	Problem               *problem
	Asked, Nothing, Empty bool
	People                int64
	URL                   string
}

// retentionPage answers GET /retention.
func (s *server) retentionPage(v *visit) error {
	if clean, untidy := v.untidy(); untidy {
		return v.redirect(clean)
	}
	q := v.query
	unit := cmp.Or(q.Get("unit"), "week")
	d := retentionData{Period: v.period(56), Born: q.Get("born"), BornWhere: q.Get("born_where"), Return: q.Get("return"), ReturnWhere: q.Get("return_where"),
		Unit: choice(unit, "day", "Days", "week", "Weeks", "month", "Months"), Intervals: cmp.Or(q.Get("intervals"), "8"), URL: s.config.PublicURL}
	var err error
	if d.Pick, err = v.pickers(""); err != nil {
		return err
	}
	d.Zones, d.Nothing, d.Asked = d.Pick.Zones, len(d.Pick.Events) == 0, d.Born != ""
	if !d.Asked {
		return v.render("retention", "Retention", d)
	}
	intervals, _ := strconv.Atoi(d.Intervals) // the API tells what is wrong with it
	ask := map[string]any{"born": selector{d.Born, d.BornWhere}, "return": selector{d.Return, d.ReturnWhere},
		"from": d.Period.From, "to": d.Period.To, "unit": unit, "intervals": intervals}
	if d.Period.TZ != "" {
		ask["tz"] = d.Period.TZ
	}
	var a retention
	err = v.api.send(v.ctx, http.MethodPost, "/v1/reports/retention", ask, &a)
	if d.Problem = invalid(err); d.Problem != nil {
		return v.renderAs(http.StatusBadRequest, "retention", "Retention", d)
	}
	if err != nil {
		return err
	}
	t := a.table(intervals)
	for _, c := range a.Cohorts {
		d.People += c.Size
	}
	d.Empty = d.People == 0
	return v.render("retention", "Retention", d, t)
}

// table has a row for each cohort.
func (a *retention) table(intervals int) *table {
	unit := map[string]string{"day": "Day", "week": "Week", "month": "Month"}[a.Unit]
	t := &table{ID: "retention", Caption: "People who came back", Columns: []string{map[string]string{"day": "Day", "week": "Week of", "month": "Month"}[a.Unit], "People"}}
	for i := range intervals {
		t.Columns = append(t.Columns, fmt.Sprintf("%s %d", unit, i))
	}
	for _, c := range a.Cohorts {
		row := []any{c.Time.Format(layouts[a.Unit]), c.Size}
		for i := range intervals {
			if i < len(c.Returns) && c.Returns[i] != nil {
				row = append(row, heat{*c.Returns[i], c.Size})
			} else {
				row = append(row, nil)
			}
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}
