package erase

import (
	"context"
	"fmt"
	"slices"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/amend"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/request"
)

// membersPage is how many identities get their fences in one transaction.
const membersPage = request.PartSize

// members looks for the identities that are linked to those of the request and appends
// them to it, each with its fence, page after page; and so on for those that are linked to
// these. Only a link that was received at or before the fence of the identity that it
// leads to is followed: a device that joins later is not touched. The second time, what is
// found was missing.
func (j *job) members(ctx context.Context, next stage) error {
	for begun := false; !begun || j.slice.Time(); begun = true {
		if j.pos.Part == j.slice.Parts {
			return j.enter(ctx, next)
		}
		_, part, err := j.readPart(ctx, j.pos.Part)
		if err != nil {
			return err
		}
		for i := j.pos.Next; ; i++ {
			if i == len(part.Keys) {
				j.pos.Part, j.pos.Next, j.pos.Cursor = j.pos.Part+1, 0, ""
				err = j.slice.Save(ctx, j.pos)
				break
			}
			if s := part.Subjects[i]; s.Whole && s.Joined {
				if i > j.pos.Next {
					j.pos.Next, j.pos.Cursor = i, ""
				}
				err = untilWritten(func() error { return j.follow(ctx, part.Keys[i], s) })
				break
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// follow appends the next page of the identities that are linked to one.
func (j *job) follow(ctx context.Context, to person.Key, of request.Subject) error {
	page, err := person.ReadLinked(ctx, j.Default, j.project.ID, to, person.Key(j.pos.Cursor), membersPage)
	if err != nil {
		return err
	}
	next := j.pos
	if len(page) < membersPage {
		next.Next, next.Cursor = j.pos.Next+1, ""
	} else {
		next.Cursor = string(page[len(page)-1].Key)
	}
	found, m, err := j.planMembers(ctx, page, of)
	if err != nil {
		return err
	}
	if next.Stage == stageRecount {
		n := len(found.Keys)
		j.found(ctx, n)
		next.Left = next.Left || n > 0
	}
	err = j.slice.Advance(ctx, next, func(tx *firestore.Transaction, r *request.Request) error {
		if err := request.Append(tx, j.Default, r, next.Asked, found); err != nil {
			return err
		}
		return m.write(tx)
	})
	if err != nil {
		return fmt.Errorf("append the identities of a person: %w", err)
	}
	j.pos = next
	return nil
}

// planMembers says which identities of a page are covered, and what is written on their
// documents.
func (j *job) planMembers(ctx context.Context, page []person.Member, of request.Subject) (*request.Part, *marks, error) {
	found, m := &request.Part{}, j.newMarks()
	s, err := person.Find(person.Reader(ctx, j.Default), j.Default, j.project.ID, of.Person)
	if err != nil {
		return nil, nil, err
	}
	for i := range page {
		own := &page[i]
		link := own.Doc.Link
		if link.Provisional || link.Received.After(of.Fence) || j.marked(own) {
			continue
		}
		if err := m.member(own, &s.Person, fenceOf(&own.Doc, of.Fence)); err != nil {
			return nil, nil, err
		}
		add(found, own.Key, request.Subject{
			Fence: m.at[own.Key], Person: of.Person, Whole: true, Link: link, Joined: own.Doc.Joined, Known: own.Doc.DistinctID != "",
		})
	}
	return found, &m, nil
}

// marked reports whether an identity has the request's amendments already. A fence leaves
// no link.
func (j *job) marked(m *person.Member) bool {
	return !j.params.whole() && slices.ContainsFunc(m.Doc.Amendments, func(a amend.Amendment) bool { return a.Request == j.slice.ID })
}
