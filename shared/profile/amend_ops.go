package profile

import (
	"context"
	"crypto/rand"
	"fmt"

	"cloud.google.com/go/firestore"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lethe-analytics/lethe/shared/amend"
	"github.com/lethe-analytics/lethe/shared/person"
)

// Limits of what is written in one transaction; more is done in several.
const (
	amendDocs  = 200
	amendBytes = 2 << 20
)

// AmendOps is Amend without the profile. It marks that as stale with another identity,
// for whoever amends many identities of a person and then folds the profile once
// (Freshen).
func AmendOps(ctx context.Context, db *firestore.Client, project string, key, mark person.Key, set *amend.Set) (Counts, error) {
	a := opsAmendment{ref: person.Ref(db, project, key), mark: person.Ref(db, project, mark), set: set, own: true}
	var all Counts
	for done := false; !done; {
		var n Counts
		err := db.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) (err error) {
			n, done, err = a.amendTx(tx)
			return err
		})
		if err != nil {
			return all, fmt.Errorf("amend a profile: %w", err)
		}
		all.Add(n)
	}
	return all, nil
}

// opsAmendment is a change of an identity's operations.
type opsAmendment struct {
	ref  *firestore.DocumentRef
	mark *firestore.DocumentRef // of the identity that says that the profile is stale
	set  *amend.Set
	own  bool // the set is of the identity's own amendments
}

// amendTx rewrites operations in a transaction; done is false if there is more than it may
// write.
func (a *opsAmendment) amendTx(tx *firestore.Transaction) (n Counts, done bool, err error) {
	doc, found, err := readDoc(tx, a.ref)
	if err != nil || !found {
		return n, !found, err
	}
	if a.own {
		if err := a.set.Check(doc.Amendments); err != nil {
			return n, false, err
		}
	}
	logs, err := readLogs(tx.Documents(a.ref.Collection(Collection)))
	if err != nil {
		return n, false, err
	}
	var changed []stored
	size := 0
	for _, l := range logs {
		touched, left, err := a.set.Ops(l.ops)
		if err != nil {
			return n, false, err
		}
		if !left {
			l.ops = nil
		}
		if touched {
			changed = append(changed, l)
			size += len(pack(l.ops))
		}
		if len(changed) == amendDocs || size > amendBytes {
			break
		}
	}
	if len(changed) == 0 {
		return n, true, nil
	}
	n.Operations = len(changed)
	if err := tx.Set(a.mark, map[string]any{"stale": rand.Text()}, firestore.MergeAll); err != nil {
		return n, false, err
	}
	return n, len(changed) < amendDocs && size <= amendBytes, rewrite(tx, changed)
}

func readDoc(tx *firestore.Transaction, ref *firestore.DocumentRef) (doc person.Doc, found bool, err error) {
	snap, err := tx.Get(ref)
	if status.Code(err) == codes.NotFound {
		return doc, false, nil
	}
	if err != nil {
		return doc, false, fmt.Errorf("read person: %w", err)
	}
	if err := snap.DataTo(&doc); err != nil {
		return doc, false, fmt.Errorf("decode person: %w", err)
	}
	return doc, true, nil
}
