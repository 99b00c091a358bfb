package person

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/gcp"
)

// Named is a distinct_id with its key.
type Named struct {
	Key        Key
	DistinctID string
}

// Link makes two distinct_ids, and all who are linked with either, one person. It
// reports whether they were two before and are one now. What was received at or
// before an erasure of either links nothing, and neither does what would make a
// person of too many distinct_ids.
//
// Links form a union-find whose trees are one level deep: a member knows its head,
// the head knows its members. So the order in which links come does not matter.
func Link(ctx context.Context, dbs gcp.Databases, project string, a, b Named, received time.Time) (linked bool, err error) {
	db := dbs.Default
	// Most links are said again at each login, and need no lock.
	plain := func(refs []*firestore.DocumentRef) ([]*firestore.DocumentSnapshot, error) {
		return db.GetAll(ctx, refs)
	}
	both, err := members(plain, db, project, []Key{a.Key, b.Key})
	if err != nil {
		return false, err
	}
	if !both[0].Doc.AfterFence(received) || !both[1].Doc.AfterFence(received) {
		return false, nil
	}
	if both[0].head() == both[1].head() {
		if both[0].Doc.Consent.State == "" {
			return false, nil
		}
		all, err := Cluster(plain, db, project, a.Key)
		if err != nil {
			return false, err
		}
		return false, setOptOuts(ctx, dbs, project, all) // had failed, if the message comes again
	}
	var u *union
	err = db.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		if u, err = planUnion(tx, db, project, a, b, received); err != nil || u == nil {
			return err
		}
		return u.write(tx, db, project)
	})
	if err != nil {
		return false, fmt.Errorf("link persons: %w", err)
	}
	if u == nil {
		return false, nil
	}
	if u.tooMany {
		slog.WarnContext(ctx, "not linked: too many distinct_ids would be one person", "project", project, "count", len(u.members))
		return false, nil
	}
	return true, setOptOuts(ctx, dbs, project, u.members)
}

// head is the key of the head of the member's cluster.
func (m *Member) head() Key {
	if m.Doc.Head != "" {
		return m.Doc.Head
	}
	return m.Key
}

// union is two clusters that become one.
type union struct {
	members []Member // the head first
	updates []map[string]any
	tooMany bool
	holds   bool // somebody comes under a legal hold
}

// planUnion reads both clusters and says what to write; nil: nothing.
func planUnion(tx *firestore.Transaction, db *firestore.Client, project string, a, b Named, received time.Time) (*union, error) {
	sides, err := Clusters(tx.GetAll, db, project, []Key{a.Key, b.Key})
	if err != nil {
		return nil, err
	}
	for i, n := range []Named{a, b} {
		at := slices.IndexFunc(sides[i], func(m Member) bool { return m.Key == n.Key })
		if !sides[i][at].Doc.AfterFence(received) {
			return nil, nil
		}
	}
	first, second := sides[0], sides[1]
	if first[0].Key == second[0].Key {
		return nil, nil
	}
	if len(second) > len(first) { // fewer documents change
		first, second = second, first
	}
	u := &union{members: slices.Concat(first, second)}
	if len(u.members) > MaxLinked+1 {
		u.tooMany = true
		return u, nil
	}
	u.updates = make([]map[string]any, len(u.members))
	for i := range u.updates {
		u.updates[i] = map[string]any{}
	}
	u.point()
	u.name(a, received)
	u.name(b, received)
	u.spread()
	return u, nil
}

// point makes the first member the head of all others.
func (u *union) point() {
	head := &u.members[0]
	var others []Key
	for i := range u.members[1:] {
		m, update := &u.members[i+1], u.updates[i+1]
		others = append(others, m.Key)
		if m.Doc.Head != head.Key {
			m.Doc.Head, update["head"] = head.Key, head.Key
		}
		if len(m.Doc.Linked) > 0 {
			m.Doc.Linked, update["linked"] = nil, firestore.Delete
		}
	}
	slices.Sort(others)
	head.Doc.Linked, u.updates[0]["linked"] = others, others
}

// name gives a person whose distinct_id is not known, or no longer, the one that
// has come with the link.
func (u *union) name(n Named, received time.Time) {
	i := slices.IndexFunc(u.members, func(m Member) bool { return m.Key == n.Key })
	if u.members[i].Doc.DistinctID == "" {
		u.updates[i]["distinct_id"], u.updates[i]["first_seen"] = n.DistinctID, received
	}
}

// spread gives all members the newest consent of any, and a restriction or a legal
// hold if any has one: none is of a distinct_id, but of the person.
func (u *union) spread() {
	var said Consent
	var restricted *Restriction
	var held *Hold
	for i := range u.members {
		d := &u.members[i].Doc
		if held == nil {
			held = d.Hold
		}
		if newer(&d.Consent, &said) {
			said = d.Consent
		}
		if r := d.Restriction; r != nil && (restricted == nil || r.Since.Before(restricted.Since)) {
			restricted = r
		}
	}
	for i := range u.members {
		d := &u.members[i].Doc
		if newer(&said, &d.Consent) {
			d.Consent, u.updates[i]["consent"] = said, said
		}
		if restricted != nil && (d.Restriction == nil || restricted.Since.Before(d.Restriction.Since)) {
			d.Restriction, u.updates[i]["restriction"] = restricted, *restricted
		}
		if held != nil && d.Hold == nil {
			d.Hold, u.updates[i]["hold"], u.holds = held, *held, true
		}
	}
}

// newer reports whether a consent stands above another; of two said at one time, a
// denial does, so that it does not matter which arrives first.
func newer(c, than *Consent) bool {
	rank := map[consent.State]int{consent.Unset: 1, consent.Granted: 2, consent.Denied: 3}
	return cmp.Or(c.At.Compare(than.At), cmp.Compare(rank[c.State], rank[than.State])) > 0
}

func (u *union) write(tx *firestore.Transaction, db *firestore.Client, project string) error {
	for i, update := range u.updates {
		if len(update) == 0 {
			continue
		}
		// Named paths are replaced as a whole; MergeAll would keep purposes of an
		// older consent.
		var paths []firestore.FieldPath
		for _, name := range slices.Sorted(maps.Keys(update)) {
			paths = append(paths, firestore.FieldPath{name})
		}
		if err := tx.Set(Ref(db, project, u.members[i].Key), update, firestore.Merge(paths...)); err != nil {
			return err
		}
	}
	if u.holds { // a purge that is running must look again before it deletes more (package retention)
		return tx.Update(db.Doc("projects/"+project), []firestore.Update{{Path: "retention_version", Value: firestore.Increment(1)}})
	}
	return nil
}
