package store

import (
	"context"
	"encoding/json"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/person"
)

// parallelConsents is how many persons' consents are set at a time.
const parallelConsents = 16

// consents sets what the persons of a batch say of their consent, so that the
// batch is judged by it, and takes it out of the operations. It returns the parts
// of which something is left.
func (s *server) consents(ctx context.Context, project string, people []*part) ([]*part, error) {
	said := make([][]person.Consent, len(people))
	for i, p := range people {
		var err error
		if said[i], err = p.takeConsents(); err != nil {
			return nil, err
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelConsents)
	for i, p := range people {
		if len(said[i]) > 0 {
			g.Go(func() error { return s.setConsents(ctx, project, p.key, said[i]) })
		}
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(people, func(p *part) bool { return len(p.events)+len(p.ops) == 0 }), nil
}

// setConsents sets what one person said, in order, while no other batch of this
// process writes the person.
func (s *server) setConsents(ctx context.Context, project string, key person.Key, said []person.Consent) error {
	release, err := s.turns.take(ctx, []want{{key, true}})
	if err != nil {
		return err
	}
	defer release()
	for _, c := range said {
		if _, err := person.SetConsent(ctx, s.dbs, project, key, c); err != nil {
			return err
		}
	}
	return nil
}

// takeConsents gives what the person says of consent, oldest first. Events that
// grant it stay events.
func (p *part) takeConsents() ([]person.Consent, error) {
	if p.distinctID == "" { // nobody cannot consent
		return nil, nil
	}
	var said []person.Consent
	add := func(s person.Statement, received event.Millis) error {
		c, err := s.Consent(received.Time())
		if err == nil {
			said = append(said, c)
		}
		return err
	}
	for i := range p.ops {
		if o := &p.ops[i]; o.Name == person.ConsentOp {
			var s person.Statement
			if err := json.Unmarshal([]byte(o.Value), &s); err != nil {
				return nil, fault.Wrap(fault.Invalid, err, "a consent operation is damaged")
			}
			if err := add(s, o.Received); err != nil {
				return nil, err
			}
		}
	}
	if len(said) > 0 {
		p.ops = filter(p.ops, func(o *event.Op) bool { return o.Name != person.ConsentOp })
	}
	granted := map[event.Millis]bool{} // those of one request say the same
	for i := range p.events {
		if e := &p.events[i]; e.Name == person.OptInEvent && !granted[e.Received] {
			granted[e.Received] = true
			if err := add(person.Statement{State: consent.Granted, Source: person.OptInEvent}, e.Received); err != nil {
				return nil, err
			}
		}
	}
	slices.SortStableFunc(said, func(a, b person.Consent) int { return a.At.Compare(b.At) })
	return said, nil
}
