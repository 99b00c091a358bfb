package report

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lethe-analytics/lethe/shared/event"
)

// Orders of a funnel, as the parameter names them.
const (
	inSequence = "sequence"
	strictly   = "strict"
	inAnyOrder = "any"
)

var orders = []string{inSequence, strictly, inAnyOrder}

// FunnelQuestion is the body of POST /v1/reports/funnel.
type FunnelQuestion struct {
	Steps  []Selector `json:"steps"`
	From   string     `json:"from"`
	To     string     `json:"to"`
	Window int        `json:"window_days"`
	By     string     `json:"by"`
	Order  string     `json:"order"`
	Zone   string     `json:"tz"`
}

// Funnel is the answer to POST /v1/reports/funnel: how many persons went how far.
//
// An attempt begins with any event of the first step in [from, to]. It takes each
// later step with the first event of that step that comes after the step before, the
// whole within window_days, of 24 hours each, of its beginning; after to as well. One
// event is one step at most. With order "sequence" whatever else happens between two
// steps makes no difference (Mixpanel's and Amplitude's "this order"). With "strict"
// the very next event of the person must be the next step (Amplitude's "exact
// order"): any other ends the attempt, automatic events included.
//
// With order "any" the steps may be done in whatever order (Mixpanel's and Amplitude's
// "any order"). An attempt begins with any event of any step in [from, to]; each event
// does the first step that it matches and that is not done yet. The attempt has got to
// step k once all of 1 to k are done, at the time of the last of these.
//
// A person is counted once, by the attempt that goes farthest; of those, by the one
// that gets there first, and if it may have begun with several events, with the last
// of them. It belongs to the series of the value that by has in the event of its first
// step. Linked identities are one person.
type Funnel struct {
	From   string         `json:"from"`
	To     string         `json:"to"`
	Window int            `json:"window_days"`
	Order  string         `json:"order"`
	Zone   string         `json:"tz,omitempty"` // absent for UTC
	Series []FunnelSeries `json:"series"`
	// LeftOut is the number of series beyond the first 50.
	LeftOut    int       `json:"left_out,omitempty"`
	ComputedAt time.Time `json:"computed_at"`
}

// FunnelSeries is the funnel of one value of by; the most persons first.
type FunnelSeries struct {
	GroupValue
	Other bool         `json:"other,omitempty"`
	Steps []FunnelStep `json:"steps"`
}

// FunnelStep says how many persons took a step.
type FunnelStep struct {
	Event        string  `json:"event"`
	Count        int64   `json:"count"`
	FromPrevious float64 `json:"from_previous"` // share of those who took the step before; of the first step 1
	FromFirst    float64 `json:"from_first"`    // share of those who took the first; 0 where there are none
	// Median is of the seconds since the step before, or in any order since all steps
	// before; null for the first step, and where nobody took it.
	Median *float64 `json:"median_seconds"`
}

// funnelQuestion is a question that has been checked.
type funnelQuestion struct {
	FunnelQuestion
	span  span
	steps []selection
}

func parseFunnel(body FunnelQuestion) (funnelQuestion, error) {
	var p problems
	q := funnelQuestion{FunnelQuestion: body}
	if n := len(body.Steps); n < 2 || n > maxSteps {
		p.fail("steps", "must be from 2 to %d", maxSteps)
	}
	for i, s := range body.Steps[:min(len(body.Steps), maxSteps)] {
		q.steps = append(q.steps, p.selection(fmt.Sprintf("steps[%d]", i), s, false))
	}
	q.span = p.days(body.From, body.To, body.Zone)
	p.within("window_days", body.Window, 1, maxWindow)
	p.property("by", body.By)
	q.Order = cmp.Or(body.Order, inSequence)
	if !slices.Contains(orders, q.Order) {
		p.fail("order", "must be one of %s", strings.Join(orders, ", "))
	}
	return q, p.err()
}

// funnel answers POST /v1/reports/funnel.
func (s *server) funnel(ctx context.Context, project string, w http.ResponseWriter, r *http.Request) (any, error) {
	body, err := readBody[FunnelQuestion](w, r)
	if err != nil {
		return nil, err
	}
	q, err := parseFunnel(body)
	if err != nil {
		return nil, err
	}
	computed := now()
	values := newValueTable()
	f := newWalk(q)
	seq := &sequence{values: values, first: f.first, walk: f.walk}
	m := newMatcher(q.By, q.steps...)
	each := func(e *event.Event) error {
		steps, raw, err := m.match(e)
		if err != nil || steps == 0 && q.Order != strictly {
			return err
		}
		h := hit{at: e.Time, steps: steps}
		if steps&1 != 0 && q.By != "" {
			h.value = values.number(raw)
		}
		return seq.add(h)
	}
	if err := s.sequences(ctx, project, q.span.begin, q.span.end+f.window, seq, each); err != nil {
		return nil, err
	}
	a := &Funnel{From: q.From, To: q.To, Window: q.Window, Order: q.Order, Zone: zoneName(q.span.zone), ComputedAt: computed}
	a.Series = f.series(values)
	if len(a.Series) > defaultLimit {
		a.LeftOut = len(a.Series) - defaultLimit
		a.Series = a.Series[:defaultLimit]
	}
	return a, nil
}

// series counts the attempts.
func (f *walk) series(values *valueTable) []FunnelSeries {
	durations := map[int32][][]float64{} // by value and step
	counts := map[int32][]int64{}
	if f.By == "" {
		counts[noValue] = make([]int64, len(f.steps))
		durations[noValue] = make([][]float64, len(f.steps))
	}
	for _, a := range f.attempts {
		if a == nil || a.best.times == nil {
			continue
		}
		v := a.best.value
		if counts[v] == nil {
			counts[v] = make([]int64, len(f.steps))
			durations[v] = make([][]float64, len(f.steps))
		}
		for i, at := range a.best.times {
			counts[v][i]++
			if i > 0 {
				durations[v][i] = append(durations[v][i], float64(at-a.best.times[i-1])/1000)
			}
		}
	}
	list := make([]FunnelSeries, 0, len(counts))
	for v, n := range counts {
		s := FunnelSeries{Other: v == otherValue}
		if f.By != "" {
			s.GroupValue = values.values[v]
		}
		for i := range f.steps {
			step := FunnelStep{Event: f.steps[i].event, Count: n[i], FromFirst: share(n[i], n[0]), FromPrevious: share(n[i], n[max(i-1, 0)])}
			step.Median = quantile(medianOf, durations[v][i])
			s.Steps = append(s.Steps, step)
		}
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b FunnelSeries) int {
		if c := cmp.Compare(b.Steps[0].Count, a.Steps[0].Count); c != 0 {
			return c
		}
		return a.GroupValue.compare(b.GroupValue)
	})
	return list
}

func share(n, of int64) float64 {
	if of == 0 {
		return 0
	}
	return float64(n) / float64(of)
}
