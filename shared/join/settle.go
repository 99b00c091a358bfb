// Package join finishes what a change of a link leaves to be done in other documents.
//
//	person.Connect, Disconnect ─▶ people/{identity}: link, pending ─ Settle ─▶ chunks, operations: amended, or erased
//	                                                                        ─▶ profiles folded anew
//	                                                                        ─▶ opt-outs at the edge
//
// What is pending stands in the document of the identity, in the transaction of the
// change: whoever is killed leaves it to the next delivery.
package join

import (
	"context"
	"fmt"
	"reflect"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/amend"
	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/profile"
)

// Settle does what is pending of an identity's link, for as long as more says that there
// is time; what is not done by then is a fault by which the message is delivered again.
func Settle(ctx context.Context, dbs gcp.Databases, project string, key person.Key, more func() bool) error {
	for {
		s, err := person.Find(person.Reader(ctx, dbs.Default), dbs.Default, project, key)
		if err != nil {
			return err
		}
		p := s.Own.Doc.Pending
		if p == nil {
			return nil
		}
		if err := settle(ctx, dbs, project, &s.Own, more); err != nil {
			return err
		}
		err = dbs.Default.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
			now, err := person.Find(tx.GetAll, dbs.Default, project, key)
			if err != nil || !reflect.DeepEqual(now.Own.Doc.Pending, p) { // others have left more
				return err
			}
			return tx.Update(person.Ref(dbs.Default, project, key), []firestore.Update{{Path: "pending", Value: firestore.Delete}})
		})
		if err != nil {
			return fmt.Errorf("note that a link is settled: %w", err)
		}
	}
}

func settle(ctx context.Context, dbs gcp.Databases, project string, of *person.Member, more func() bool) error {
	p := of.Doc.Pending
	if p.Erase {
		if err := erase(ctx, dbs, project, of, more); err != nil {
			return err
		}
	}
	if p.Amend {
		if err := amendStored(ctx, dbs.Default, project, of, more); err != nil {
			return err
		}
	}
	for _, key := range p.Refold {
		if _, err := profile.Refold(ctx, dbs.Default, project, key); err != nil {
			return err
		}
	}
	for _, key := range p.Spread {
		if done, err := person.SpreadBelow(ctx, dbs, project, key, more); err != nil || !done {
			return unfinished(err)
		}
	}
	return nil
}

func unfinished(err error) error {
	if err != nil {
		return err
	}
	return fault.New(fault.Unavailable, "there is more to be done because of a link")
}

// amendStored applies an identity's amendments to what is stored of it.
func amendStored(ctx context.Context, db *firestore.Client, project string, of *person.Member, more func() bool) error {
	set, err := amend.Compile(of.Doc.Amendments)
	if err != nil {
		return err
	}
	if _, err := profile.Amend(ctx, db, project, of.Key, set); err != nil {
		return err
	}
	for clean := false; !clean; {
		n, _, done, err := chunk.Amend(ctx, db, project, of.Key, set, "", more)
		if err != nil || !done {
			return unfinished(err)
		}
		clean = n.Rewritten == 0
	}
	return nil
}
