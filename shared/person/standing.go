package person

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/fault"
)

// MaxDepth bounds the links between an identity and its person. Devices are one link
// away from a user; only keys, which merge users, make it more.
const MaxDepth = 16

// Member is an identity with its document.
type Member struct {
	Key  Key
	Doc  Doc
	Snap *firestore.DocumentSnapshot // as it was read; of one that has no document, one that does not exist
}

// Exists reports whether the identity has a document.
func (m *Member) Exists() bool { return m.Snap.Exists() }

// Standing is an identity and the person whose it is.
type Standing struct {
	Own     Member
	Person  Member    // Own once more, if nobody has linked it
	joined  time.Time // receipt of the latest link on the path; zero: there is none
	path    []Key     // from the identity to the person, both among them
	pending Key       // the first on the path whose link leaves something to be done; empty: none
}

// Alone reports whether the identity is its own person.
func (s *Standing) Alone() bool { return s.Own.Key == s.Person.Key }

// Within reports whether the identity is the other one, or links lead from it there.
func (s *Standing) Within(other Key) bool { return slices.Contains(s.path, other) }

// Keeps reports whether something received at that time may be stored: it must have
// come after the identity's fence, and the person's consent must have allowed it then.
func (s *Standing) Keeps(received time.Time, unsetMeans consent.State) bool {
	return s.Own.Doc.AfterFence(received) && consent.Allows(s.consentAt(received), unsetMeans)
}

// consentAt is the state that held for the identity at a time. What denies counts for all
// identities that are one now, also from before they were one: what was dropped stays
// dropped, whenever it comes again. What grants counts for those who were one then.
func (s *Standing) consentAt(at time.Time) consent.State {
	joined := !at.Before(s.joined)
	return s.Person.Doc.stateOf(at, func(c *Consent) bool {
		return c.State == consent.Denied || c.Under == s.Own.Key || c.Under == "" || joined && !at.Before(c.From)
	})
}

// Getter reads documents: Transaction.GetAll, or the client's outside of one.
type Getter func([]*firestore.DocumentRef) ([]*firestore.DocumentSnapshot, error)

// Reader is a Getter outside of a transaction.
func Reader(ctx context.Context, db *firestore.Client) Getter {
	return func(refs []*firestore.DocumentRef) ([]*firestore.DocumentSnapshot, error) {
		return db.GetAll(ctx, refs)
	}
}

// Find reads an identity and its person.
func Find(get Getter, db *firestore.Client, project string, key Key) (*Standing, error) {
	all, err := FindAll(get, db, project, []Key{key})
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// FindAll is Find for some identities: two reads for all of them, and one more for each
// merge of users by a key that lies between. One that does not exist is its own person.
func FindAll(get Getter, db *firestore.Client, project string, keys []Key) ([]*Standing, error) {
	known := map[Key]*Member{}
	all := make([]*Standing, len(keys))
	ends := make([]Key, len(keys)) // how far each has come
	for i, k := range keys {
		all[i], ends[i] = &Standing{}, k
	}
	for range MaxDepth + 1 {
		var missing []Key
		for _, k := range ends {
			if _, ok := known[k]; !ok {
				known[k] = nil
				missing = append(missing, k)
			}
		}
		found, err := readMembers(get, db, project, missing)
		if err != nil {
			return nil, err
		}
		for i := range found {
			known[found[i].Key] = &found[i]
		}
		more := false
		for i := range all {
			m := known[ends[i]]
			if n := len(all[i].path); n == 0 || all[i].path[n-1] != m.Key {
				all[i].path = append(all[i].path, m.Key)
				if m.Doc.Pending != nil && all[i].pending == "" {
					all[i].pending = m.Key
				}
			}
			if to := m.Doc.Parent(); to != "" {
				all[i].joined = later(all[i].joined, m.Doc.Link.Received)
				ends[i], more = to, true
			}
		}
		if !more {
			for i, s := range all {
				s.Own, s.Person = *known[keys[i]], *known[ends[i]]
			}
			return all, nil
		}
	}
	return nil, fault.New(fault.Internal, "an identity is more than %d links away from its person", MaxDepth)
}

func readMembers(get Getter, db *firestore.Client, project string, keys []Key) ([]Member, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	refs := make([]*firestore.DocumentRef, len(keys))
	for i, k := range keys {
		refs[i] = Ref(db, project, k)
	}
	snaps, err := get(refs)
	if err != nil {
		return nil, fmt.Errorf("read persons: %w", err)
	}
	all := make([]Member, len(keys))
	for i, s := range snaps {
		if all[i], err = newMember(s); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func newMember(snap *firestore.DocumentSnapshot) (Member, error) {
	m := Member{Key: Key(snap.Ref.ID), Snap: snap}
	if snap.Exists() {
		if err := snap.DataTo(&m.Doc); err != nil {
			return Member{}, fmt.Errorf("decode person: %w", err)
		}
	}
	return m, nil
}

// membersPage is how many identities of a person are read at a time: the reader of a
// page may take longer than Firestore keeps a query's stream open.
const membersPage = 1000

// Members lists the identities of a person, the person's own first, then those whose
// links lead there. With provisional ones it also lists those that only reports count
// as the person's, and theirs.
func Members(ctx context.Context, db *firestore.Client, project string, of Member, provisional bool) iter.Seq2[Member, error] {
	return func(yield func(Member, error) bool) {
		if !yield(of, nil) || !of.Doc.Joined {
			return
		}
		listed := map[Key]bool{of.Key: true} // of those with identities: a provisional link may lead back
		for open := []Key{of.Key}; len(open) > 0; open = open[1:] {
			var after Key
			for full := true; full; {
				page, err := ReadLinked(ctx, db, project, open[0], after, membersPage)
				if err != nil {
					yield(Member{}, err)
					return
				}
				if full = len(page) == membersPage; full {
					after = page[len(page)-1].Key
				}
				for _, m := range page {
					if m.Doc.Link.Provisional && !provisional || listed[m.Key] {
						continue
					}
					if !yield(m, nil) {
						return
					}
					if m.Doc.Joined {
						listed[m.Key] = true
						open = append(open, m.Key)
					}
				}
			}
		}
	}
}

// ReadLinked reads the identities whose own links lead to one, provisional links among
// them: a page in the order of keys, of those behind a key.
func ReadLinked(ctx context.Context, db *firestore.Client, project string, to, after Key, limit int) ([]Member, error) {
	q := people(db, project).Where("link.to", "==", string(to)).OrderBy(firestore.DocumentID, firestore.Asc).Limit(limit)
	if after != "" {
		q = q.StartAfter(string(after))
	}
	snaps, err := q.Documents(ctx).GetAll()
	if err != nil {
		return nil, fmt.Errorf("read the identities of a person: %w", err)
	}
	page := make([]Member, len(snaps))
	for i, s := range snaps {
		if page[i], err = newMember(s); err != nil {
			return nil, err
		}
	}
	return page, nil
}

// AllMembers is Members as a list.
func AllMembers(ctx context.Context, db *firestore.Client, project string, of Member) ([]Member, error) {
	var all []Member
	for m, err := range Members(ctx, db, project, of, false) {
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}
