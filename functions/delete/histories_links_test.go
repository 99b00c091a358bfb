package erase_test

import (
	"slices"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/receipt"
	"github.com/lethe-analytics/lethe/shared/request"
)

// verdict compares what a history has left with what it should have.
type verdict struct {
	*history
	docs   map[string]person.Doc
	fences map[person.Key][]time.Time // of the receipts that list an identity
	whole  map[person.Key][]time.Time // of those in which an identity's person was covered
	// settled is until when an archive may go, since what it read then was being erased.
	settled map[person.Key]time.Time
}

func newVerdict(h *history) *verdict {
	v := &verdict{history: h, docs: map[string]person.Doc{}, fences: map[person.Key][]time.Time{}, whole: map[person.Key][]time.Time{},
		settled: map[person.Key]time.Time{}}
	note := func(in map[person.Key][]time.Time, key person.Key, fence time.Time) { in[key] = append(in[key], fence) }
	for _, id := range h.asked {
		v.readSettled(id)
		for _, s := range h.receipt(id).Subjects {
			note(v.fences, s.Identity, s.Fence)
			if s.Scope == receipt.ScopePerson {
				note(v.whole, s.Identity, s.Fence)
			}
			for _, i := range s.Identities {
				note(v.fences, i.Identity, i.Fence)
				note(v.whole, i.Identity, i.Fence)
			}
		}
	}
	for _, id := range h.ids {
		if _, err := person.SpreadOptOuts(h.t.Context(), h.Databases, h.Project.ID, h.personKey(id), func() bool { return true }); err != nil {
			h.t.Fatal(err)
		}
		snaps, err := h.Default.GetAll(h.t.Context(), []*firestore.DocumentRef{h.personRef(id)})
		var d person.Doc
		if err == nil && snaps[0].Exists() {
			err = snaps[0].DataTo(&d)
		}
		if err != nil {
			h.t.Fatal(err)
		}
		v.docs[id] = d
	}
	return v
}

func (v *verdict) readSettled(id string) {
	r, err := request.Get(v.t.Context(), v.Default, v.Project.ID, id, "")
	if err != nil {
		v.t.Fatal(err)
	}
	for n := range r.Parts {
		part, err := request.ReadPart(v.t.Context(), v.Default, r, n)
		if err != nil {
			v.t.Fatal(err)
		}
		for i, s := range part.Subjects {
			if k := part.Keys[i]; s.Settled.After(v.settled[k]) {
				v.settled[k] = s.Settled
			}
		}
	}
}

// after reports whether something of an identity came after its fence.
func (v *verdict) after(id string, received event.Millis) bool {
	return received.Time().After(v.docs[id].ErasedAt)
}

// outlives reports whether something of an identity came after all receipts that list it.
func (v *verdict) outlives(id string, at time.Time) bool {
	return !slices.ContainsFunc(v.fences[v.personKey(id)], func(fence time.Time) bool { return !at.After(fence) })
}

// personOf is whose an identity is.
func (v *verdict) personOf(id string) string {
	d := v.docs[id]
	if d.Parent() != "" {
		return v.owners[id]
	}
	return id
}

// said are the receipts of what was said of a device, the oldest first.
func (v *verdict) said(device string) (all []time.Time) {
	for _, m := range v.messages {
		for _, c := range v.claims(m) {
			if c.Who.DistinctID == device {
				all = append(all, c.Link.Received)
			}
		}
	}
	slices.SortFunc(all, time.Time.Compare)
	return all
}

// links checks whose an identity is, and its fence: a device is covered by an erasure of
// its user if anything received by then, and after the fence before, has said that it is
// the user's, whenever that arrived.
func (v *verdict) links(id string) {
	key, d := v.personKey(id), v.docs[id]
	least := slices.MaxFunc(append(v.fences[key], time.Time{}), time.Time.Compare)
	known := append(slices.Clone(v.fences[key]), time.Time{})
	said := v.said(id)
	if owner, ok := v.owners[id]; ok {
		whole := v.whole[v.personKey(owner)]
		known = append(known, whole...)
		all := append(slices.Clone(v.fences[key]), whole...)
		slices.SortFunc(all, time.Time.Compare)
		var fence time.Time
		for _, f := range all {
			listed := slices.Contains(v.fences[key], f)
			linked := slices.ContainsFunc(said, func(at time.Time) bool { return at.After(fence) && !at.After(f) })
			if listed || linked {
				fence = f
			}
		}
		least = fence
	}
	if d.ErasedAt.Before(least) || !slices.ContainsFunc(known, d.ErasedAt.Equal) {
		v.t.Errorf("%s: its fence is %v, want %v at least, of %v", id, d.ErasedAt, least, known)
	}
	i := slices.IndexFunc(said, d.AfterFence)
	switch {
	case i < 0 && d.Link != nil:
		v.t.Errorf("%s: is linked, and nobody has said so since %v: %+v", id, d.ErasedAt, d.Link)
	case i >= 0 && (d.Link == nil || d.Link.To != v.personKey(v.owners[id]) || !d.Link.Received.Equal(said[i])):
		v.t.Errorf("%s: its link is %+v, want one of %v", id, d.Link, said[i])
	}
}
