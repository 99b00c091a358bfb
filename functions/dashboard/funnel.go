package dashboard

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// maxSteps is how many steps the form has fields for, and inSight how many of them are not
// folded away.
const (
	maxSteps = 10
	inSight  = 3
)

// selector names events in a question to the API.
type selector struct {
	Event string `json:"event,omitempty"`
	Where string `json:"where,omitempty"`
}

// step is one step's fields, e1 and w1.
type step struct {
	N            int
	Event, Where string
}

// funnel is what POST /v1/reports/funnel answers.
type funnel struct {
	Series []struct {
		group
		Steps []struct {
			Event        string
			Count        int64
			FromPrevious float64  `json:"from_previous"`
			FromFirst    float64  `json:"from_first"`
			Median       *float64 `json:"median_seconds"`
		}
	}
	LeftOut int `json:"left_out"`
}

type funnelData struct {
	Period         period
	Pick           pickers
	Zones          []string
	Steps, More    []step // those that are in sight, and those that one unfolds
	Unfolded       bool
	Window         string
	Order          []option
	By             string
	Problem        *problem
	Asked          bool
	Drawing        *drawing
	LeftOut        int
	Nothing, Empty bool
	URL            string
}

// funnelPage answers GET /funnel.
func (s *server) funnelPage(v *visit) error {
	if clean, untidy := v.untidy(); untidy {
		return v.redirect(clean)
	}
	q := v.query
	d := funnelData{Period: v.period(30), By: q.Get("by"), Window: cmp.Or(q.Get("window"), "14"), URL: s.config.PublicURL,
		Order: choice(q.Get("order"), "sequence", "others may come between", "strict", "nothing may come between", "any", "in any order")}
	var steps []selector
	for n := 1; n <= maxSteps; n++ {
		i := strconv.Itoa(n)
		f := step{n, q.Get("e" + i), q.Get("w" + i)}
		if n <= inSight {
			d.Steps = append(d.Steps, f)
		} else {
			d.More = append(d.More, f)
			d.Unfolded = d.Unfolded || f.Event != "" || f.Where != ""
		}
		if f.Event != "" || f.Where != "" {
			steps = append(steps, selector{f.Event, f.Where})
		}
	}
	var err error
	if d.Pick, err = v.pickers(d.Steps[0].Event); err != nil {
		return err
	}
	d.Zones, d.Nothing, d.Asked = d.Pick.Zones, len(d.Pick.Events) == 0, len(steps) > 0
	if !d.Asked {
		return v.render("funnel", "Funnel", d)
	}
	window, _ := strconv.Atoi(d.Window) // the API tells what is wrong with it
	ask := map[string]any{"steps": steps, "from": d.Period.From, "to": d.Period.To, "window_days": window}
	for name, value := range map[string]string{"by": d.By, "order": q.Get("order"), "tz": d.Period.TZ} {
		if value != "" {
			ask[name] = value
		}
	}
	var a funnel
	err = v.api.send(v.ctx, http.MethodPost, "/v1/reports/funnel", ask, &a)
	if d.Problem = invalid(err); d.Problem != nil {
		return v.renderAs(http.StatusBadRequest, "funnel", "Funnel", d)
	}
	if err != nil {
		return err
	}
	t, c := a.table(steps, d.By)
	d.LeftOut = a.LeftOut
	d.Empty = !slices.ContainsFunc(t.Rows, func(row []any) bool { return row[len(row)-4] != int64(0) })
	if !d.Empty {
		if d.Drawing, err = c.draw(); err != nil {
			return err
		}
	}
	return v.render("funnel", "Funnel", d, t)
}

// table has a row for each step of each series, and the chart the same as bars.
func (a *funnel) table(steps []selector, by string) (*table, chart) {
	t := &table{ID: "funnel", Caption: "Steps", Columns: []string{"Step", "People", "Of the step before", "Of the first", "Median time from the step before"}}
	if by != "" {
		t.Columns = slices.Insert(t.Columns, 1, by)
	}
	c := chart{Caption: "People at each step", Bars: true}
	for i, s := range steps {
		c.Labels = append(c.Labels, fmt.Sprintf("%d. %s", i+1, s.Event))
	}
	groups := make([]group, len(a.Series))
	for i, of := range a.Series {
		groups[i] = of.group
	}
	names := newGroupNames(groups)
	for _, of := range a.Series {
		name := "People"
		if by != "" {
			name = names.name(of.group)
		}
		c.Names = append(c.Names, name)
		line := make([]float64, len(of.Steps))
		for i, s := range of.Steps {
			line[i] = float64(s.Count)
			row := []any{fmt.Sprintf("%d. %s", i+1, s.Event)}
			if by != "" {
				row = append(row, name)
			}
			var median any
			if s.Median != nil {
				median = duration(*s.Median)
			}
			t.Rows = append(t.Rows, append(row, s.Count, percent(s.FromPrevious), percent(s.FromFirst), median))
		}
		c.Lines = append(c.Lines, line)
	}
	return t, c
}

// took is a time in seconds, as a person says it: the two largest units.
func took(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second)).Round(time.Second)
	days, hours, minutes := int(d.Hours())/24, int(d.Hours())%24, int(d.Minutes())%60
	switch {
	case days > 0:
		return fmt.Sprintf("%d d %d h", days, hours)
	case hours > 0:
		return fmt.Sprintf("%d h %d min", hours, minutes)
	case minutes > 0:
		return fmt.Sprintf("%d min %d s", minutes, int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d s", int(d.Seconds()))
}
