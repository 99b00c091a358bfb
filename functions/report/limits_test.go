package report

import (
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/person"
)

// What would need too much memory is refused, with what to ask for instead.
func TestLimitsOfMemory(t *testing.T) {
	t.Parallel()
	refused := func(err error) {
		t.Helper()
		if fault.Of(err) != fault.Invalid {
			t.Error(err)
		}
	}
	q := &sequence{kept: maxHits - 1}
	if err := q.add(hit{}); err != nil {
		t.Error(err)
	}
	refused(q.add(hit{}))
	f := newWalk(funnelQuestion{FunnelQuestion: FunnelQuestion{Window: 1}, span: oneDay, steps: make([]selection, 2)})
	first := []hit{{at: oneDay.begin, steps: 1}}
	if err := f.walk(0, first); err != nil {
		t.Error(err)
	}
	f.cells = maxFunnelCells
	refused(f.walk(1, first))
	f = newWalk(funnelQuestion{FunnelQuestion: FunnelQuestion{Window: 1, Order: inAnyOrder}, span: oneDay, steps: make([]selection, 2)})
	f.cells = maxFunnelCells
	refused(f.walk(0, []hit{{at: oneDay.begin, steps: 2}}))
	c := newCounter(question{events: []string{"Seen"}, span: oneDay, line: newTimeline(daily, oneDay, 0, maxBuckets), measure: medianOf, on: "n", limit: 1})
	c.kept = maxNumbers
	refused(c.personDay(personDay("ann", event.Event{Name: "Seen", DistinctID: "ann", Time: oneDay.begin, Properties: `{"n":1}`})))
}

// A person who never took the first step is not kept.
func TestWhoNeverBeginsIsNotKept(t *testing.T) {
	t.Parallel()
	q := &sequence{first: 1, walk: func(uint32, []hit) error { t.Error("walked"); return nil }}
	for _, steps := range []uint16{0, 2, 6} {
		if err := q.add(hit{at: 1, steps: steps}); err != nil {
			t.Fatal(err)
		}
		if err := q.leave(person.MakeKey([]byte("secret"), "ann")); err != nil || len(q.people.ordinals) != 0 {
			t.Error(err, q.people)
		}
	}
}

// However often a person does the steps, a funnel in any order keeps a trial for each
// of the steps at most, and forgets those that are too old.
func TestTrialsAreFew(t *testing.T) {
	t.Parallel()
	const n = 5
	f := newWalk(funnelQuestion{FunnelQuestion: FunnelQuestion{Window: 1, Order: inAnyOrder}, span: oneDay, steps: make([]selection, n)})
	most := 0
	for i := range 1000 {
		at := oneDay.begin + event.Millis(i*80_000)
		if err := f.walk(0, []hit{{at: at, steps: 1 << (n - 1 - min(i/100, n-2))}}); err != nil { // all but step 0, the last first
			t.Fatal(err)
		}
		most = max(most, len(f.attempts[0].trials))
	}
	if most != n-1 || f.cells > cellsOfPerson+2*n*cellsOfTrial {
		t.Error(most, f.cells)
	}
	late := oneDay.end + f.window
	if err := f.walk(0, []hit{{at: late, steps: 1}}); err != nil || len(f.attempts[0].trials) != 0 || f.attempts[0].best.times != nil {
		t.Error(err, f.attempts[0])
	}
}

// Days begin after the last moment of an earlier date.
func TestDayStart(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ zone, date, want string }{
		{"UTC", "2026-01-01", "2026-01-01T00:00:00Z"},
		{"Europe/Berlin", "2025-03-30", "2025-03-29T23:00:00Z"}, {"Europe/Berlin", "2025-03-31", "2025-03-30T22:00:00Z"},
		{"Africa/Cairo", "2025-04-25", "2025-04-24T22:00:00Z"},                                                         // no midnight: begins at 01:00
		{"America/Sao_Paulo", "2018-02-18", "2018-02-18T03:00:00Z"},                                                    // the hour before midnight comes twice
		{"America/Havana", "2025-11-02", "2025-11-02T04:00:00Z"},                                                       // midnight comes twice
		{"America/St_Johns", "2010-11-07", "2010-11-07T03:30:00Z"},                                                     // back to 23:01 a minute after midnight
		{"Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00Z"}, {"Pacific/Apia", "2011-12-31", "2011-12-30T10:00:00Z"}, // never was
		{"Pacific/Kiritimati", "2026-01-01", "2025-12-31T10:00:00Z"},
	} {
		zone, ok := parseZone(c.zone)
		date, err := time.Parse(time.DateOnly, c.date)
		if err != nil || !ok {
			t.Fatal(c, err)
		}
		if got := dayStart(date, zone).Time().Format(time.RFC3339); got != c.want {
			t.Errorf("%s %s begins at %s, want %s", c.zone, c.date, got, c.want)
		}
	}
	zone, _ := parseZone("Europe/Berlin")
	for date, hours := range map[string]int{"2025-03-30": 23, "2025-10-26": 25, "2025-10-27": 24} {
		day, err := time.Parse(time.DateOnly, date)
		if err != nil {
			t.Fatal(err)
		}
		if n := newTimeline(hourly, newSpan(day, day, zone), 0, maxBuckets).n; n != hours {
			t.Errorf("%s has %d hours", date, n)
		}
	}
}
