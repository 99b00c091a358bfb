package erase

import (
	"maps"
	"slices"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/amend"
	"github.com/lethe-analytics/lethe/shared/person"
)

// marks are the fences of some identities, or the amendments that stand for them if
// single properties or events are to go, as they are written on their documents.
type marks struct {
	job    *job
	writes map[person.Key]mark
	at     map[person.Key]time.Time // the fences
}

type mark struct {
	of      *person.Member
	changes map[string]any
}

func (j *job) newMarks() marks {
	return marks{job: j, writes: map[person.Key]mark{}, at: map[person.Key]time.Time{}}
}

// person marks an identity that is its own person.
func (m *marks) person(p *person.Member, fence time.Time) error {
	if !m.job.params.whole() {
		return m.amend(p, fence)
	}
	m.at[p.Key] = fence
	m.writes[p.Key] = mark{p, p.Doc.Erase(fence, m.job.params.Suppress, &p.Doc)}
	return nil
}

// member marks an identity of somebody's, and what the person loses with it.
func (m *marks) member(own, of *person.Member, fence time.Time) error {
	if !m.job.params.whole() {
		return m.amend(own, fence)
	}
	_, marked := m.at[of.Key]
	if marked { // it is as it was before that
		before := *of
		of = &before
	}
	changes, persons := own.Leave(of, fence, m.job.params.Suppress)
	m.at[own.Key] = fence
	m.writes[own.Key] = mark{own, changes}
	if persons != nil && !marked {
		m.writes[of.Key] = mark{of, persons}
	}
	return nil
}

func (m *marks) amend(own *person.Member, fence time.Time) error {
	all, at, err := amend.Add(own.Doc.Amendments, fence, m.job.slice.ID, m.job.params.amendments())
	if err == nil {
		all, err = amend.Without(all, m.job.params.Properties)
	}
	if err != nil {
		return err
	}
	m.at[own.Key] = at
	m.writes[own.Key] = mark{own, map[string]any{"amendments": all}}
	return nil
}

// write writes them in a transaction, where nobody has written since they were read.
func (m *marks) write(tx *firestore.Transaction) error {
	for _, key := range slices.Sorted(maps.Keys(m.writes)) {
		if err := m.writes[key].write(tx, person.Ref(m.job.Default, m.job.project.ID, key)); err != nil {
			return err
		}
	}
	return nil
}

func (m mark) write(tx *firestore.Transaction, ref *firestore.DocumentRef) error {
	if !m.of.Exists() { // what is on its way is dropped nevertheless
		fields := maps.Clone(m.changes)
		maps.DeleteFunc(fields, func(_ string, v any) bool { return v == firestore.Delete })
		return tx.Create(ref, fields)
	}
	var updates []firestore.Update
	for _, field := range slices.Sorted(maps.Keys(m.changes)) {
		updates = append(updates, firestore.Update{Path: field, Value: m.changes[field]})
	}
	return tx.Update(ref, updates, firestore.LastUpdateTime(m.of.Snap.UpdateTime))
}
