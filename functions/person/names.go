package person

import (
	"context"
	"slices"

	"github.com/lethe-analytics/lethe/shared/identity"
	"github.com/lethe-analytics/lethe/shared/person"
)

// namesPage is how many identities are looked up at a time: a person's document may hold a
// profile of half a megabyte.
const namesPage = 50

// names are the distinct_ids of identities, by their keys.
type names struct {
	server  *server
	subject subject
	known   map[person.Key]string // empty: it is not known, or not to be told
}

func (s *server) newNames(p subject) *names {
	n := &names{s, p, map[person.Key]string{}}
	n.know(&p.Own)
	n.know(&p.Person)
	return n
}

func (n *names) know(m *person.Member) { n.known[m.Key] = m.Doc.DistinctID }

// lookUp makes distinct_ids known. Those of restricted persons are told to those alone who
// may know them.
func (n *names) lookUp(ctx context.Context, keys []person.Key) error {
	keys = slices.DeleteFunc(slices.Clone(keys), func(k person.Key) bool { _, ok := n.known[k]; return ok })
	slices.Sort(keys)
	db := n.server.db
	for some := range slices.Chunk(slices.Compact(keys), namesPage) {
		found, err := person.FindAll(person.Reader(ctx, db), db, n.subject.project, some)
		if err != nil {
			return err
		}
		for _, s := range found {
			if s.Person.Doc.Restriction == nil || n.subject.privacy {
				n.know(&s.Own)
			}
		}
	}
	return nil
}

// lookUpNamed makes the distinct_ids of identities known that events name.
func (n *names) lookUpNamed(ctx context.Context, events []placed) error {
	var keys []person.Key
	for i := range events {
		named, err := identity.References(events[i].event.Name, events[i].event.Properties)
		if err != nil {
			return err
		}
		for _, key := range named {
			if person.Key(key).Valid() { // an app may have sent such a text itself
				keys = append(keys, person.Key(key))
			}
		}
	}
	return n.lookUp(ctx, keys)
}

// reveal gives the distinct_id of an identity that an event names.
func (n *names) reveal(key string) (id string, known bool) {
	id = n.known[person.Key(key)]
	return id, id != ""
}
