package report

import (
	"cmp"
	"context"
	"maps"
	"sync"

	"github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/errgroup"

	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/identity"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/project"
)

// readIdentities reads the identities of each person asked for who is not restricted;
// provisional links count, as in every report. An identity of two of them comes once.
func (s *server) readIdentities(ctx context.Context, p project.Project, ids []string, restricted map[person.Key]bool) (all [][]person.Key, err error) {
	keys := make([]person.Key, len(ids))
	for i, id := range ids {
		keys[i] = person.MakeKey(p.Secret, id)
	}
	persons, err := person.FindAll(person.Reader(ctx, s.db), s.db, p.ID, keys)
	if err != nil {
		return nil, err
	}
	seen := maps.Clone(restricted)
	for _, of := range persons {
		var identities []person.Key
		for m, err := range person.Members(ctx, s.db, p.ID, of.Person, true) {
			if err != nil {
				return nil, err
			}
			if !seen[m.Key] {
				identities = append(identities, m.Key)
			}
			seen[m.Key] = true
		}
		all = append(all, identities)
	}
	return all, nil
}

// parallelIdentities is how many identities' events are read at a time.
const parallelIdentities = 8

// personEvents hands out the events of some identities, one event at a time.
func (s *server) personEvents(ctx context.Context, project string, keys []person.Key, days span, fn func(*event.Event) error) error {
	var mu sync.Mutex
	one := func(e *event.Event) error {
		if !days.has(e.Time) {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		return fn(e)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelIdentities)
	for _, key := range keys {
		g.Go(func() error {
			for d, err := range chunk.PersonDaysOnward(ctx, s.db, project, key, utcDay(days.begin), utcDay(days.end-1)) {
				if err != nil {
					return err
				}
				if err := d.Events(one); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// compareEvents orders the events of one person, the oldest first.
func compareEvents(a, b event.Event) int {
	return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.Received, b.Received), cmp.Compare(a.InsertID, b.InsertID),
		cmp.Compare(a.Name, b.Name), cmp.Compare(a.DistinctID, b.DistinctID))
}

// knownNames is how many identities' names a revealer remembers.
const knownNames = 50_000

// revealer shows the ids of the identities that events name, as far as they are known
// and not restricted, so that who reads an export back has the same links.
type revealer struct {
	server     *server
	project    string
	restricted map[person.Key]bool
	names      *lru.Cache[person.Key, string] // empty: not known
}

func (s *server) newRevealer(ctx context.Context, project string) (*revealer, error) {
	restricted, err := s.restricted(ctx, project)
	if err != nil {
		return nil, err
	}
	names, err := lru.New[person.Key, string](knownNames)
	return &revealer{s, project, restricted, names}, err
}

// reveal rewrites the properties of events that name others. It looks for the names of
// all of them at once.
func (r *revealer) reveal(ctx context.Context, events []event.Event) error {
	names := map[person.Key]string{}
	var missing []person.Key
	for i := range events {
		keys, err := identity.References(events[i].Name, events[i].Properties)
		if err != nil {
			return err
		}
		for _, k := range keys {
			key := person.Key(k)
			if _, seen := names[key]; seen || r.restricted[key] {
				continue
			}
			name, known := r.names.Get(key)
			if names[key] = name; !known {
				missing = append(missing, key)
			}
		}
	}
	found, err := person.Names(ctx, r.server.db, r.project, missing)
	if err != nil {
		return err
	}
	for _, key := range missing {
		names[key] = found[key]
		r.names.Add(key, found[key])
	}
	for i := range events {
		events[i].Properties, err = identity.Reveal(events[i].Name, events[i].Properties, func(key string) (string, bool) {
			name := names[person.Key(key)]
			return name, name != ""
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Limits of a revealed batch.
const (
	batchEvents = 500
	batchBytes  = 1 << 20
)

// batch hands events on, revealed, some at a time.
type batch struct {
	*revealer
	events []event.Event
	bytes  int
	write  func(*event.Event) error
}

func (b *batch) add(ctx context.Context, e *event.Event) error {
	b.events = append(b.events, *e)
	if b.bytes += len(e.Properties); len(b.events) < batchEvents && b.bytes < batchBytes {
		return nil
	}
	return b.flush(ctx)
}

// flush hands on what there is.
func (b *batch) flush(ctx context.Context) error {
	if err := b.reveal(ctx, b.events); err != nil {
		return err
	}
	for i := range b.events {
		if err := b.write(&b.events[i]); err != nil {
			return err
		}
	}
	clear(b.events)
	b.events, b.bytes = b.events[:0], 0
	return nil
}
