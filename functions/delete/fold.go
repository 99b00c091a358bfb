package erase

import (
	"context"
	"slices"
	"time"

	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/profile"
	"github.com/lethe-analytics/lethe/shared/request"
)

// settleMost is how many opt-outs are settled in one transaction.
const settleMost = 100

// fold brings what is left of persons in line with what was erased, once for all of their
// identities: profiles, and opt-outs.
func (j *job) fold(ctx context.Context) error {
	done := map[person.Key]bool{}
	for begun := false; !begun || j.slice.Time(); begun = true {
		if j.pos.Part == j.pos.Asked {
			return j.enter(ctx, stageRequests)
		}
		_, part, err := j.readPart(ctx, j.pos.Part)
		if err != nil {
			return err
		}
		for worked := false; j.pos.Next < len(part.Keys) && (!worked || j.slice.Time()); j.pos.Next++ {
			s := part.Subjects[j.pos.Next]
			alone := s.Person == part.Keys[j.pos.Next] && !s.Joined
			if done[s.Person] || alone && j.params.whole() {
				continue
			}
			done[s.Person], worked = true, true
			if err := j.foldPerson(ctx, s); err != nil {
				return err
			}
		}
		if j.pos.Next == len(part.Keys) {
			j.pos.Part, j.pos.Next = j.pos.Part+1, 0
		}
		if err := j.slice.Save(ctx, j.pos); err != nil {
			return err
		}
	}
	return nil
}

func (j *job) foldPerson(ctx context.Context, s request.Subject) error {
	if !j.params.whole() {
		n, err := profile.Freshen(ctx, j.Default, j.project.ID, s.Person)
		j.pos.Stores.Profiles.Found += min(n, 1)
		j.pos.Stores.Profiles.Changed += min(n, 1)
		return err
	}
	if _, err := profile.Refold(ctx, j.Default, j.project.ID, s.Person); err != nil {
		return err
	}
	return j.settleOptOuts(ctx, s.Person, s.Fence)
}

// settleOptOuts brings the opt-outs of those whom a person still has in line with what the
// person has still said.
func (j *job) settleOptOuts(ctx context.Context, key person.Key, fence time.Time) error {
	s, err := person.Find(person.Reader(ctx, j.Default), j.Default, j.project.ID, key)
	if err != nil {
		return err
	}
	var keys []person.Key
	for m, err := range person.Members(ctx, j.Default, j.project.ID, s.Person, false) {
		if err != nil {
			return err
		}
		keys = append(keys, m.Key)
	}
	for some := range slices.Chunk(keys, settleMost) {
		if _, err := person.SettleOptOuts(ctx, j.Databases, j.project.ID, some, fence); err != nil {
			return err
		}
	}
	return nil
}
