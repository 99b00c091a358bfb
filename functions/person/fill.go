package person

import (
	"context"
	"iter"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/person"
)

const (
	// parallelMembers is how many identities of a person are read at a time. A connection to
	// Firestore has a hundred streams, for all who use it.
	parallelMembers = 16
	// fewMembers are read one by one in any case.
	fewMembers = 64
	// mostMembers is how many keys are kept in memory.
	mostMembers = 50_000
)

// The project's days are looked through in spans, from the newest on, each so many times
// longer than the one before.
const (
	firstSpan  = 7 // days
	spanGrowth = 8
)

// readEach calls a function with each identity, with some at a time.
func readEach(ctx context.Context, members iter.Seq2[person.Step, error], read func(context.Context, *person.Member) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelMembers)
	var failed error
	for step, err := range members {
		if failed = err; err != nil || ctx.Err() != nil {
			break
		}
		g.Go(func() error { return read(ctx, &step.Member) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return failed
}

// filling is the work on a page of a timeline.
type filling struct {
	*server
	subject
	page     *page
	from, to string // days
}

// fill puts the first events of all identities of the person on the page.
func (f *filling) fill(ctx context.Context) error {
	keys, err := f.listKeys(ctx)
	if err != nil {
		return err
	}
	if len(keys) > fewMembers {
		if done, err := f.fillFromProject(ctx, keys); err != nil || done {
			return err
		}
	}
	members := listSteps(keys)
	if keys == nil {
		members = f.walk(ctx)
	}
	return readEach(ctx, members, f.readMember)
}

func (f *filling) walk(ctx context.Context) iter.Seq2[person.Step, error] {
	return person.Walk{Of: f.Person, Follow: person.FollowFirm}.Steps(ctx, f.db, f.project)
}

func listSteps(keys []person.Key) iter.Seq2[person.Step, error] {
	return func(yield func(person.Step, error) bool) {
		for _, k := range keys {
			if !yield(person.Step{Member: person.Member{Key: k}}, nil) {
				return
			}
		}
	}
}

// listKeys lists the identities; none if they are too many.
func (f *filling) listKeys(ctx context.Context) (keys []person.Key, err error) {
	for step, err := range f.walk(ctx) {
		if err != nil {
			return nil, err
		}
		if keys = append(keys, step.Key); len(keys) > mostMembers {
			return nil, nil
		}
	}
	return keys, nil
}

// readMember reads one identity, to the day where the page ends by then.
func (f *filling) readMember(ctx context.Context, m *person.Member) error {
	from := f.page.firstDay(f.from)
	for d, err := range chunk.PersonDays(ctx, f.db, f.project, m.Key, from, f.to) {
		if err != nil {
			return err
		}
		if err := d.Events(f.page.add); err != nil {
			return err
		}
		if f.page.firstDay(f.from) >= d.Day { // nothing before this day is on the page
			return nil
		}
	}
	return nil
}

// fillFromProject reads the chunks of the project, where these are fewer than the
// identities: a query for each of these would find less and cost more. What is left to be
// read one by one ends with f.to.
func (f *filling) fillFromProject(ctx context.Context, keys []person.Key) (done bool, err error) {
	theirs := make(map[person.Key]bool, len(keys))
	for _, k := range keys {
		theirs[k] = true
	}
	budget := len(keys)
	newest := min(f.to, time.Now().UTC().Format(time.DateOnly))
	for span := firstSpan; ; span *= spanGrowth {
		from := max(f.from, addDays(newest, 1-span))
		n, err := chunk.CountProjectDays(ctx, f.db, f.project, from, f.to, budget+1)
		if err != nil || n > budget {
			return false, err
		}
		budget -= n
		if err := f.readProject(ctx, from, theirs); err != nil {
			return false, err
		}
		if f.page.firstDay(f.from) >= from {
			return true, nil
		}
		f.to = addDays(from, -1)
		newest = f.to
	}
}

// readProject reads the days from one to f.to.
func (f *filling) readProject(ctx context.Context, from string, theirs map[person.Key]bool) error {
	for d, err := range chunk.ProjectDays(ctx, f.db, f.project, from, f.to) {
		if err != nil {
			return err
		}
		if !theirs[d.Person] {
			continue
		}
		if err := d.Events(f.page.add); err != nil {
			return err
		}
	}
	return nil
}

// addDays counts days from one on.
func addDays(day string, n int) string {
	t, err := time.Parse(time.DateOnly, day)
	if err != nil { // cannot be: it was made from a time
		return day
	}
	return t.AddDate(0, 0, n).Format(time.DateOnly)
}
