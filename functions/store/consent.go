package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/identity"
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
	spread := false
	for _, c := range said {
		_, more, err := person.SetConsent(ctx, s.dbs, project, key, c)
		if err != nil {
			return err
		}
		spread = spread || more
	}
	if !spread {
		return nil
	}
	return s.publishTask(ctx, project, linkTask{Spread: key})
}

// takeConsents gives what the person says of consent, oldest first. Events that
// grant it stay events.
func (p *part) takeConsents() ([]person.Consent, error) {
	if p.distinctID == "" { // nobody cannot consent
		return nil, nil
	}
	var said []person.Consent
	add := func(s person.Statement, id string, by event.Speaker, received event.Millis) error {
		c, err := s.Consent(received.Time())
		if err == nil {
			c.ID, c.By = id, by.String()
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
			if err := add(s, fmt.Sprintf("%s-%d", o.Request, o.Seq), o.Speaker, o.Received); err != nil {
				return nil, err
			}
		}
	}
	if len(said) > 0 {
		p.ops = filter(p.ops, func(o *event.Op) bool { return o.Name != person.ConsentOp })
	}
	heard := map[string]bool{} // those of one request say the same
	for i := range p.events {
		e := &p.events[i]
		state := person.EventConsent(e.Name)
		old := e.Received-e.Time > event.Millis(event.MaxAge.Milliseconds()) // imported: it was said long ago
		if one := fmt.Sprint(e.Received, state); state != "" && !old && !heard[one] {
			heard[one] = true
			if err := add(person.Statement{State: state, Source: e.Name}, e.InsertID, e.Speaker, e.Received); err != nil {
				return nil, err
			}
		}
	}
	slices.SortStableFunc(said, func(a, b person.Consent) int { return a.At.Compare(b.At) })
	return said, nil
}

// holdBack drops what a token may not do to a user: the deletion of the profile. It is
// noted with the person, for a key to do it.
func (s *server) holdBack(ctx context.Context, project string, of tenant, people []*part) ([]*part, error) {
	for _, p := range people {
		said := identity.DeleteUser
		if identity.FormOf(p.distinctID, of.userIDs) == identity.Device {
			said = identity.DeleteDevice
		}
		var waits []string
		p.ops = filter(p.ops, func(o *event.Op) bool {
			if o.Name != "$delete" || identity.Judge(said, o.Speaker) == identity.Taken {
				return true
			}
			waits = append(waits, fmt.Sprintf("%s-%d", o.Request, o.Seq))
			return false
		})
		if len(waits) > 0 {
			if err := person.NoteNoEffect(ctx, s.db, project, p.key, said, waits[0]); err != nil {
				return nil, err
			}
		}
	}
	return slices.DeleteFunc(people, func(p *part) bool { return len(p.events)+len(p.ops) == 0 }), nil
}
