package store

import (
	"context"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/sync/errgroup"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
)

// link says that two distinct_ids are one person; a is the one who was identified.
type link struct {
	a, b     string
	received event.Millis
}

// links finds what the events of one person say of distinct_ids that are one
// person: $identify (Mixpanel's original identity merge) and the aliases.
// https://docs.mixpanel.com/docs/tracking-methods/id-management/identifying-users-original
func links(events []event.Event) ([]link, error) {
	var all []link
	var lookup *event.Lookup
	for i := range events {
		e := &events[i]
		if e.Name != "$identify" && e.Name != "$create_alias" && e.Name != "alias" {
			continue
		}
		if lookup == nil {
			lookup = event.NewLookup("$identified_id", "$anon_distinct_id", "$anon_id", "alias")
		}
		v, err := lookup.In(e)
		if err != nil {
			return nil, err
		}
		l := link{a: e.DistinctID, received: e.Received}
		if e.Name == "$identify" {
			if v[0] != nil {
				l.a = idIn(v[0])
			}
			if l.b = idIn(v[1]); l.b == "" {
				l.b = idIn(v[2])
			}
		} else {
			l.b = idIn(v[3])
		}
		if l.a != "" && l.b != "" && l.a != l.b {
			all = append(all, l)
		}
	}
	return all, nil
}

// idIn is the distinct_id in a property; empty if there is none that intake would
// take as an event's own. A text as long as the longest may have been cut, and many
// people's would be the same.
func idIn(raw jsontext.Value) string {
	if len(raw) == 0 || raw[0] != '"' {
		return ""
	}
	id, err := jsontext.AppendUnquote(nil, raw)
	if err != nil || utf8.RuneCount(id) >= event.MaxString || person.CheckID("alias", string(id)) != nil {
		return ""
	}
	return string(id)
}

// link links what a batch says is one person, once all of the batch is stored.
// Transactions that write the same persons would wait for each other, so links that
// have to do with each other are made one after the other.
func (s *server) link(ctx context.Context, project string, secret []byte, all []link) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelTx)
	for _, related := range group(all) {
		g.Go(func() error {
			for _, l := range related {
				if err := s.linkOne(ctx, project, secret, l); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// group puts links together that share a distinct_id, also by way of others. A link
// that is said several times stands once, as the newest says it.
func group(all []link) map[string][]link {
	newest := map[[2]string]event.Millis{}
	parent := map[string]string{} // a union-find; a root has none
	root := func(id string) string {
		for parent[id] != "" {
			id = parent[id]
		}
		return id
	}
	for _, l := range all {
		newest[[2]string{l.a, l.b}] = max(newest[[2]string{l.a, l.b}], l.received)
		if a, b := root(l.a), root(l.b); a != b {
			parent[b] = a
		}
	}
	groups := map[string][]link{}
	for pair, received := range newest {
		of := root(pair[0])
		groups[of] = append(groups[of], link{pair[0], pair[1], received})
	}
	return groups
}

func (s *server) linkOne(ctx context.Context, project string, secret []byte, l link) error {
	a := person.Named{Key: person.MakeKey(secret, l.a), DistinctID: l.a}
	b := person.Named{Key: person.MakeKey(secret, l.b), DistinctID: l.b}
	release, err := s.turns.take(ctx, []want{{a.Key, true}, {b.Key, true}})
	if err != nil {
		return err
	}
	defer release()
	_, err = person.Link(ctx, s.dbs, project, a, b, l.received.Time())
	return err
}
