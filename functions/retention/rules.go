package retention

import (
	"context"
	"fmt"
	"slices"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/amend"
	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/retention"
)

// rulePage is how many chunks are read at a time to be rewritten.
const rulePage = 20

// sweepDays is how often a rule is applied to all days and not only to those that it
// has reached since: to events that came late, and to persons who were on hold.
const sweepDays = 7

// rules applies the rules: events of a name, or a property of all events, go before
// the rest of their day. Rules of one age go together.
func (j *job) rules(ctx context.Context) (done bool, err error) {
	for {
		if err := j.forget(ctx); err != nil {
			return false, err
		}
		if j.doc.Hold != nil {
			return true, nil
		}
		if !j.inForce(j.run.Group) {
			group, low := j.due()
			if len(group) == 0 {
				return true, nil
			}
			if err := j.commit(ctx, func(r *Run) { r.Group, r.GroupLow, r.Cursor = group, low, cursor{} }, nil); err != nil {
				return false, err
			}
		}
		page, err := chunksOf(j.db, j.project, j.run.GroupLow, j.run.Group[0].Through, j.run.Cursor).Limit(rulePage).Documents(ctx).GetAll()
		if err != nil {
			return false, fmt.Errorf("find chunks: %w", err)
		}
		if len(page) > 0 {
			err = j.rewritePage(ctx, page)
		} else {
			err = j.commit(ctx, func(r *Run) { r.mark() }, nil)
		}
		if err != nil {
			return false, err
		}
		if !j.time() {
			return false, nil
		}
	}
}

// inForce reports whether there is a group of rules, all of which still hold.
func (j *job) inForce(group []mark) bool {
	return len(group) > 0 && !slices.ContainsFunc(group, func(m mark) bool { return !slices.Contains(j.doc.Rules, m.Rule) })
}

// due finds rules of one age that have not been applied to all that they reach, and
// the first day to apply them to.
func (j *job) due() (group []mark, low string) {
	today := j.day.Format(time.DateOnly)
	kept := retention.Cutoff(j.doc.Days, j.day)
	for _, rule := range j.doc.Rules {
		m := mark{Rule: rule, Through: retention.Cutoff(rule.Days, j.day), Swept: today}
		from := kept
		if i := slices.IndexFunc(j.run.Marks, func(old mark) bool { return old.Rule == rule }); i >= 0 {
			old := j.run.Marks[i]
			if old.Swept > retention.Cutoff(sweepDays, j.day) {
				m.Swept, from = old.Swept, max(old.Through, kept)
				if old.Through >= m.Through {
					continue
				}
			} else if old.Swept >= today {
				continue
			}
		}
		if len(group) == 0 {
			low = from
		}
		if len(group) == 0 || from == low && rule.Days == group[0].Rule.Days {
			group = append(group, m)
		}
	}
	return group, low
}

// mark notes that the group has been applied.
func (r *Run) mark() {
	for _, m := range r.Group {
		r.Marks = slices.DeleteFunc(r.Marks, func(old mark) bool { return old.Rule == m.Rule })
	}
	r.Marks = append(r.Marks, r.Group...)
	r.Group, r.Cursor = nil, cursor{}
}

// rewritePage rewrites the chunks of a page, and then moves the cursor behind it. A
// worker that is killed in between finds nothing left to do in those that were
// written.
func (j *job) rewritePage(ctx context.Context, page []*firestore.DocumentSnapshot) error {
	at, err := cursorAt(page[len(page)-1])
	if err != nil {
		return err
	}
	seen := len(page)
	page = slices.DeleteFunc(page, func(s *firestore.DocumentSnapshot) bool { return j.held[owner(s)] })
	var keys []person.Key
	for _, snap := range page {
		if key := owner(snap); !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	var rules []retention.Rule
	for _, m := range j.run.Group {
		rules = append(rules, m.Rule)
	}
	change, err := changeBy(rules)
	if err != nil {
		return err
	}
	err = chunk.Rewrite(ctx, j.db, j.project, page, change, func(tx *firestore.Transaction, n chunk.Counts) error {
		run, err := j.check(tx)
		if err != nil {
			return err
		}
		run.Counts.Events += n.Dropped
		run.Counts.Changed += n.Changed
		if n.Dropped > 0 {
			run.Check = keys
		}
		return j.put(tx, run)
	})
	if err != nil {
		return err
	}
	return j.commit(ctx, func(r *Run) { r.Cursor = at; r.Counts.Scanned += seen }, nil)
}

// ever is later than any receipt.
var ever = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// changeBy is what rules do to an event that they reach. The mark of the person's
// own amendments stays on it: those have not been applied by this.
func changeBy(rules []retention.Rule) (func(*event.Event) (keep, changed bool, err error), error) {
	set, err := amend.Compile(amendments(rules, func(retention.Rule) time.Time { return ever }))
	if err != nil {
		return nil, err
	}
	return func(e *event.Event) (keep, changed bool, err error) {
		amended := e.Amended
		e.Amended = 0
		keep, changed, err = set.Event(e)
		e.Amended = amended
		return keep, changed, err
	}, nil
}

// amendments are the rules as amendments of what was received up to a time.
func amendments(rules []retention.Rule, at func(retention.Rule) time.Time) []amend.Amendment {
	var all []amend.Amendment
	for _, r := range rules {
		a := amend.Amendment{At: at(r), Request: "retention", Properties: []string{r.Property}}
		if r.Event != "" {
			a.Properties, a.Events = nil, []string{r.Event}
		}
		all = append(all, a)
	}
	return all
}
