package erase

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/amend"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/request"
)

// subject is a person of the request.
type subject struct {
	key person.Key
	request.Subject
}

// fenceTries is how often fences are tried of persons whom others keep writing.
const fenceTries = 30

// fence gives the subjects of the group that begins at the position. The first time
// it sets their fences, and in the same transaction notes them in the part: a worker
// that goes on finds them there, and sets no later ones.
//
// The transaction reads nothing, for what it read would be locked; preconditions
// keep what others write meanwhile.
func (j *job) fence(ctx context.Context) ([]subject, *group, error) {
	for range fenceTries {
		snap, part, err := j.readPart(ctx, j.pos.Part)
		if err != nil {
			return nil, nil, err
		}
		g := &group{part: j.pos.Part, begin: j.pos.Next, end: min(j.pos.Next+groupSize, len(part.Keys))}
		g.last = g.end == len(part.Keys)
		keys := part.Keys[j.pos.Next:g.end]
		if len(part.Subjects) < g.end {
			found, err := j.setFences(ctx, snap, part.Subjects, keys)
			if gcp.Overtaken(err) {
				continue
			}
			if err != nil {
				return nil, nil, err
			}
			part.Subjects = append(part.Subjects, found...)
		}
		subjects := make([]subject, len(keys))
		for i, k := range keys {
			subjects[i] = subject{k, part.Subjects[j.pos.Next+i]}
		}
		return subjects, g, nil
	}
	return nil, nil, fault.New(fault.Unavailable, "the persons are being written without pause")
}

func (j *job) readPart(ctx context.Context, n int) (*firestore.DocumentSnapshot, *request.Part, error) {
	snap, err := request.PartRef(j.Default, j.project.ID, j.slice.ID, n).Get(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("read part of a deletion: %w", err)
	}
	part := &request.Part{}
	if err := snap.DataTo(part); err != nil {
		return nil, nil, fmt.Errorf("decode part of a deletion: %w", err)
	}
	return snap, part, nil
}

// settle notes, once, since when nobody reads any more what goes: of whole persons
// since the fences were written, of single properties or events since all has been
// rewritten. The fence does not tell: its clock is not Firestore's, and what reads
// meanwhile still finds it all.
func (j *job) settle(ctx context.Context, g *group) error {
	for range fenceTries {
		if !g.settled.IsZero() {
			return nil
		}
		snap, part, err := j.readPart(ctx, g.part)
		if err != nil {
			return err
		}
		at := snap.ReadTime
		if j.params.whole() {
			at = snap.UpdateTime
		}
		for i := g.begin; i < g.end; i++ {
			part.Subjects[i].Settled = at
		}
		_, err = snap.Ref.Update(ctx, []firestore.Update{{Path: "subjects", Value: part.Subjects}}, firestore.LastUpdateTime(snap.UpdateTime))
		if err == nil {
			g.settled = at
		} else if !gcp.Overtaken(err) {
			return fmt.Errorf("note when a deletion has settled: %w", err)
		}
	}
	return fault.New(fault.Unavailable, "a deletion is being written without pause")
}

func (j *job) setFences(ctx context.Context, part *firestore.DocumentSnapshot, before []request.Subject, keys []person.Key) ([]request.Subject, error) {
	get := func(refs []*firestore.DocumentRef) ([]*firestore.DocumentSnapshot, error) {
		return j.Default.GetAll(ctx, refs)
	}
	clusters, err := person.Clusters(get, j.Default, j.project.ID, keys)
	if err != nil {
		return nil, err
	}
	fence := event.Now().Time()
	all := map[person.Key]person.Member{} // two persons of the request may be one
	for _, c := range clusters {
		for _, m := range c {
			all[m.Key] = m
			if m.Doc.ErasedAt.After(fence) { // another instance's clock is ahead
				fence = m.Doc.ErasedAt
			}
			for _, a := range m.Doc.Amendments { // what a rectification has set was received at its time
				if !fence.After(a.At) {
					fence = a.At.Truncate(time.Millisecond).Add(time.Millisecond)
				}
			}
		}
	}
	subjects := make([]request.Subject, len(keys))
	counted := map[person.Key]bool{}
	for i, c := range clusters {
		subjects[i].Fence = fence
		for _, m := range c {
			if m.Key != keys[i] {
				subjects[i].Linked = append(subjects[i].Linked, m.Key)
			}
			if m.Doc.DistinctID != "" && !counted[m.Key] {
				counted[m.Key] = true
				subjects[i].Profiles++
			}
		}
	}
	err = j.Default.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		for _, m := range all {
			if err := j.mark(tx, m, fence); err != nil {
				return err
			}
		}
		return tx.Update(part.Ref, []firestore.Update{{Path: "subjects", Value: append(slices.Clone(before), subjects...)}},
			firestore.LastUpdateTime(part.UpdateTime))
	})
	if err != nil {
		return nil, fmt.Errorf("set fences: %w", err)
	}
	return subjects, nil
}

// mark writes the fence, or the amendments that stand for it if single properties or
// events are to go, on a person's document.
func (j *job) mark(tx *firestore.Transaction, m person.Member, fence time.Time) error {
	ref := person.Ref(j.Default, j.project.ID, m.Key)
	var changes map[string]any
	if j.params.whole() {
		changes = m.Doc.Erase(fence, j.params.Suppress)
	} else {
		all, _, err := amend.Add(m.Doc.Amendments, fence, j.slice.ID, j.params.amendments())
		if err == nil {
			all, err = amend.Without(all, j.params.Properties)
		}
		if err != nil {
			return err
		}
		changes = map[string]any{"amendments": all}
	}
	if !m.Exists() { // what is on its way is dropped nevertheless
		maps.DeleteFunc(changes, func(_ string, v any) bool { return v == firestore.Delete })
		return tx.Create(ref, changes)
	}
	var updates []firestore.Update
	for _, field := range slices.Sorted(maps.Keys(changes)) {
		updates = append(updates, firestore.Update{Path: field, Value: changes[field]})
	}
	return tx.Update(ref, updates, firestore.LastUpdateTime(m.Snap.UpdateTime))
}
