package erase

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/request"
)

// fenceTries is how often fences are tried of persons whom others keep writing.
const fenceTries = 30

// fence sets the fences of those who are named, and of the persons whom that covers: from
// then on a link that was received by then, and comes later, brings its identity under the
// fence (person.Connect). The other identities of the persons follow (members).
func (j *job) fence(ctx context.Context) error {
	if j.pos.Asked == 0 {
		j.pos.Asked = j.slice.Parts
	}
	for begun := false; !begun || j.slice.Time(); begun = true {
		if j.pos.Part == j.pos.Asked {
			return j.enter(ctx, stageMembers)
		}
		if err := untilWritten(func() error { return j.fenceGroup(ctx) }); err != nil {
			return err
		}
	}
	return nil
}

// untilWritten tries again for as long as others are faster.
func untilWritten(write func() error) error {
	for range fenceTries {
		if err := write(); !gcp.Overtaken(err) {
			return err
		}
	}
	return fault.New(fault.Unavailable, "the persons are being written without pause")
}

// fenceGroup sets the fences of the next group, and in the same transaction notes them in
// the part and moves the position: a worker that goes on sets no later ones.
//
// The transaction reads no person, for what it read would be locked; preconditions keep
// what others write meanwhile.
func (j *job) fenceGroup(ctx context.Context) error {
	snap, part, err := j.readPart(ctx, j.pos.Part)
	if err != nil {
		return err
	}
	next := j.pos
	if next.Next = min(j.pos.Next+groupSize, len(part.Keys)); next.Next == len(part.Keys) {
		next.Part, next.Next = j.pos.Part+1, 0
	}
	keys := part.Keys[j.pos.Next:min(j.pos.Next+groupSize, len(part.Keys))]
	f, err := j.planFences(ctx, keys)
	if err != nil {
		return err
	}
	roots := &request.Part{}
	for _, key := range slices.Sorted(maps.Keys(f.persons)) {
		if p := f.persons[key]; p.marked && !slices.Contains(keys, key) {
			add(roots, key, f.subject(&person.Standing{Own: p.Member, Person: p.Member}, true))
		}
	}
	subjects := slices.Clone(part.Subjects)
	for _, s := range f.standings {
		subjects = append(subjects, f.subject(s, s.CoversPerson(j.params.person())))
	}
	err = j.slice.Advance(ctx, next, func(tx *firestore.Transaction, r *request.Request) error {
		if err := request.Append(tx, j.Default, r, next.Asked, roots); err != nil {
			return err
		}
		if err := f.write(tx); err != nil {
			return err
		}
		return tx.Update(snap.Ref, []firestore.Update{{Path: "subjects", Value: subjects}}, firestore.LastUpdateTime(snap.UpdateTime))
	})
	if err != nil {
		return fmt.Errorf("set fences: %w", err)
	}
	j.pos = next
	return nil
}

func add(to *request.Part, key person.Key, s request.Subject) {
	to.IDs, to.Keys, to.Subjects = append(to.IDs, ""), append(to.Keys, key), append(to.Subjects, s)
}

// fences are those of a group, to be written.
type fences struct {
	marks
	standings []*person.Standing
	persons   map[person.Key]*root
}

// root is a person of the group.
type root struct {
	person.Member
	marked bool // all of the person is covered
}

// planFences says what is written on the documents of some who are named, and on those of
// their persons.
func (j *job) planFences(ctx context.Context, keys []person.Key) (*fences, error) {
	all, err := person.FindAll(person.Reader(ctx, j.Default), j.Default, j.project.ID, keys)
	if err != nil {
		return nil, err
	}
	f := &fences{marks: j.newMarks(), standings: all, persons: map[person.Key]*root{}}
	fence := event.Now().Time()
	for _, s := range all {
		p := f.persons[s.Person.Key]
		if p == nil {
			p = &root{Member: s.Person}
			f.persons[p.Key] = p
		}
		p.marked = p.marked || s.CoversPerson(j.params.person())
		fence = fenceOf(&s.Own.Doc, fenceOf(&s.Person.Doc, fence))
		if l := s.Own.Doc.Link; l != nil && l.Received.After(fence) { // another clock is ahead
			fence = l.Received
		}
	}
	for _, p := range f.persons {
		if p.marked {
			if err := f.person(&p.Member, fence); err != nil {
				return nil, err
			}
		}
	}
	for _, s := range all {
		if !s.Alone() {
			if err := f.member(&s.Own, &f.persons[s.Person.Key].Member, fence); err != nil {
				return nil, err
			}
		}
	}
	return f, nil
}

// fenceOf is a fence that is no earlier than one, nor than what has been received by a
// clock that is ahead: an erasure before, and what a rectification has set at its time.
func fenceOf(d *person.Doc, fence time.Time) time.Time {
	if d.ErasedAt.After(fence) {
		fence = d.ErasedAt
	}
	for _, a := range d.Amendments {
		if !fence.After(a.At) {
			fence = a.At.Truncate(time.Millisecond).Add(time.Millisecond)
		}
	}
	return fence
}

// subject notes an identity in the request.
func (m *marks) subject(s *person.Standing, whole bool) request.Subject {
	own := &s.Own.Doc
	subject := request.Subject{Fence: m.at[s.Own.Key], Person: s.Person.Key, Whole: whole, Joined: own.Joined, Known: own.DistinctID != ""}
	if own.Parent() != "" {
		subject.Link = own.Link
	}
	return subject
}
