package person

import (
	"cmp"
	"context"
	"fmt"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/identity"
)

// Connect works on a claim. It can be called again, and claims come in any order: what
// stands in the end depends on their receipts alone.
//
// What was received at or before an erasure of the identity links nothing. What was
// received at or before an erasure of the person, and comes later, brings the identity
// under it.
func Connect(ctx context.Context, dbs gcp.Databases, project string, c Claim) (Linked, error) {
	// Most claims are made again at each login, and need no lock.
	plain, err := FindAll(Reader(ctx, dbs.Default), dbs.Default, project, []Key{c.Who.Key, c.Whose.Key})
	if err != nil {
		return Linked{}, err
	}
	l := &linking{claim: c, who: plain[0], whose: plain[1]}
	if l.decide(); !l.changes() {
		l.result.Pending = cmp.Or(plain[0].pending, plain[1].pending) // of a delivery before that did not end
		return l.result, nil
	}
	if err := identify(ctx, dbs.Default, project, c, plain[1]); err != nil {
		return Linked{}, err
	}
	err = dbs.Default.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		both, err := FindAll(tx.GetAll, dbs.Default, project, []Key{c.Who.Key, c.Whose.Key})
		if err != nil {
			return err
		}
		l = &linking{claim: c, who: both[0], whose: both[1], writes: map[Key]map[string]any{}}
		l.decide()
		if err := l.plan(); err != nil {
			return err
		}
		for _, key := range sortedKeys(l.writes) {
			if err := set(tx, dbs.Default, project, key, l.writes[key]); err != nil {
				return err
			}
		}
		if l.held { // a purge that is running must look again before it deletes more (package retention)
			return tx.Update(dbs.Default.Doc("projects/"+project), []firestore.Update{{Path: "retention_version", Value: firestore.Increment(1)}})
		}
		return nil
	})
	if err != nil {
		return Linked{}, fmt.Errorf("link identities: %w", err)
	}
	return l.result, nil
}

// identify notes that the other side of a claim is a user's and has identities, before
// the transaction: so that the transactions of many claims only read the document.
func identify(ctx context.Context, db *firestore.Client, project string, c Claim, whose *Standing) error {
	outcome := identity.Judge(c.Said, c.speaker())
	if outcome != identity.Taken && outcome != identity.Provisional || whose.Own.Doc.Joined && whose.Own.Doc.Identified != "" {
		return nil
	}
	fields := map[string]any{"joined": true}
	if whose.Own.Doc.Identified == "" {
		fields["identified"] = cmp.Or(c.Link.Event, "links")
		if l := whose.Own.Doc.Link; l != nil && !l.byKey() && l.Provisional { // whom a token has joined to somebody is no anonymous identity
			fields["link"] = firestore.Delete
		}
	}
	if _, err := Ref(db, project, c.Whose.Key).Set(ctx, fields, firestore.MergeAll); err != nil {
		return fmt.Errorf("note that an identity is a user's: %w", err)
	}
	return nil
}
