package person

import (
	"fmt"
	"slices"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/fault"
)

// MaxLinked bounds the distinct_ids that are one person, so that all of them can
// be written in one transaction.
const MaxLinked = 100

// Member is one of the distinct_ids that are one person.
type Member struct {
	Key  Key
	Doc  Doc
	Snap *firestore.DocumentSnapshot // as it was read; of one that has no document, one that does not exist
}

// Exists reports whether the member has a document.
func (m *Member) Exists() bool { return m.Snap.Exists() }

// Getter reads documents: Transaction.GetAll, or the client's outside of one.
type Getter func([]*firestore.DocumentRef) ([]*firestore.DocumentSnapshot, error)

// Cluster reads all who are one with a person, the head first; a person of one
// distinct_id, or one who does not exist, is alone.
func Cluster(get Getter, db *firestore.Client, project string, key Key) ([]Member, error) {
	all, err := Clusters(get, db, project, []Key{key})
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// clusterTries is how often clusters are read whose heads change meanwhile.
const clusterTries = 10

// Clusters is Cluster for each of some persons, in three reads for all of them. Outside
// of a transaction a link may come between the reads: a head that has become a member
// lists nobody any more, not even the person. Then they are read again.
func Clusters(get Getter, db *firestore.Client, project string, keys []Key) ([][]Member, error) {
	for range clusterTries {
		all, err := clusters(get, db, project, keys)
		if err != nil || complete(all, keys) {
			return all, err
		}
	}
	return nil, fault.New(fault.Unavailable, "the person is being linked with others; try again")
}

// complete reports whether each person is among those who are one with it.
func complete(all [][]Member, keys []Key) bool {
	for i, key := range keys {
		if !slices.ContainsFunc(all[i], func(m Member) bool { return m.Key == key }) {
			return false
		}
	}
	return true
}

func clusters(get Getter, db *firestore.Client, project string, keys []Key) ([][]Member, error) {
	own, err := members(get, db, project, keys)
	if err != nil {
		return nil, err
	}
	var heads []Key
	for _, m := range own {
		if m.Doc.Head != "" {
			heads = append(heads, m.Doc.Head)
		}
	}
	found, err := members(get, db, project, heads)
	if err != nil {
		return nil, err
	}
	all := make([][]Member, len(keys))
	var others []Key
	for i, m := range own {
		if m.Doc.Head != "" {
			m, found = found[0], found[1:]
		}
		all[i] = []Member{m}
		others = append(others, m.Doc.Linked...)
	}
	if found, err = members(get, db, project, others); err != nil {
		return nil, err
	}
	for i := range all {
		n := len(all[i][0].Doc.Linked)
		all[i] = append(all[i], found[:n]...)
		found = found[n:]
	}
	return all, nil
}

func members(get Getter, db *firestore.Client, project string, keys []Key) ([]Member, error) {
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
		all[i] = Member{Key: keys[i], Snap: s}
		if s.Exists() {
			if err := s.DataTo(&all[i].Doc); err != nil {
				return nil, fmt.Errorf("decode person: %w", err)
			}
		}
	}
	return all, nil
}
