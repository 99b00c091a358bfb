package retention

import (
	"context"
	"fmt"
	"slices"

	"cloud.google.com/go/firestore"
	"golang.org/x/sync/errgroup"

	"github.com/lethe-analytics/lethe/shared/amend"
	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/profile"
)

// forgetParallel is how many identities are looked at at a time.
const forgetParallel = 8

// forget deletes the documents of the identities to be checked of which nothing is left:
// neither events nor operations, nor anything that must be known of them. With the last
// identity of a user, the user is checked as well.
func (j *job) forget(ctx context.Context) error {
	for len(j.run.Check) > 0 {
		keys := j.run.Check
		empty, err := j.emptyOf(ctx, keys)
		if err != nil {
			return err
		}
		for i, key := range keys {
			if empty[i] && !j.held[key] {
				if err := j.forgetOne(ctx, key); err != nil {
					return err
				}
			}
		}
		// Behind these stand the users whose identities have gone.
		if err := j.commit(ctx, func(r *Run) { r.Check = slices.Clone(r.Check[len(keys):]) }, nil); err != nil {
			return err
		}
	}
	return nil
}

// emptyOf tells which identities have neither events nor operations. Most have something
// left, which needs no lock.
func (j *job) emptyOf(ctx context.Context, keys []person.Key) ([]bool, error) {
	empty := make([]bool, len(keys))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(forgetParallel)
	for i, key := range keys {
		g.Go(func() error {
			left, err := dataLeft(func(q firestore.Query) *firestore.DocumentIterator { return q.Documents(gctx) }, person.Ref(j.db, j.project, key))
			empty[i] = !left
			return err
		})
	}
	return empty, g.Wait()
}

// dataLeft reports whether an identity has any chunk or operation.
func dataLeft(documents func(firestore.Query) *firestore.DocumentIterator, ref *firestore.DocumentRef) (bool, error) {
	for _, name := range []string{chunk.Collection, profile.Collection} {
		found, err := documents(ref.Collection(name).Select().Limit(1)).GetAll()
		if err != nil {
			return false, fmt.Errorf("look what is left of an identity: %w", err)
		}
		if len(found) > 0 {
			return true, nil
		}
	}
	return false, nil
}

// forgetOne looks again, in a transaction: what is stored meanwhile keeps the identity.
// A profile that is not folded yet may still hold what has gone: it is folded first.
func (j *job) forgetOne(ctx context.Context, key person.Key) error {
	for {
		stale := false
		err := j.db.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
			stale = false
			run, err := j.check(tx)
			if err != nil {
				return err
			}
			s, err := person.Find(tx.GetAll, j.db, j.project, key)
			if err != nil || !s.Own.Exists() {
				return err
			}
			if stale = s.Own.Doc.Stale != ""; stale {
				return nil
			}
			if left, err := j.leftTx(tx, s); err != nil || left {
				return err
			}
			return j.forgetTx(tx, run, &s.Own)
		})
		if err != nil {
			return fmt.Errorf("delete an identity of which nothing is left: %w", err)
		}
		if !stale {
			return nil
		}
		if _, err := profile.Freshen(ctx, j.db, j.project, key); err != nil {
			return err
		}
	}
}

// leftTx reports whether anything is left of an identity: of its own, something that is
// needed, or another identity that is linked to it.
func (j *job) leftTx(tx *firestore.Transaction, s *person.Standing) (bool, error) {
	if needed(s, j.config) {
		return true, nil
	}
	left, err := dataLeft(func(q firestore.Query) *firestore.DocumentIterator { return tx.Documents(q) }, person.Ref(j.db, j.project, s.Own.Key))
	if err != nil || left {
		return left, err
	}
	linked, err := tx.Documents(person.Ref(j.db, j.project, s.Own.Key).Parent.Where("link.to", "==", string(s.Own.Key)).Select().Limit(1)).GetAll()
	if err != nil {
		return false, fmt.Errorf("look who is linked to an identity: %w", err)
	}
	return len(linked) > 0, nil
}

// forgetTx deletes an identity's document and lets its user be checked. What must hold
// for good stays under the key: that the identity is a user's, and that a key has taken
// its link back.
func (j *job) forgetTx(tx *firestore.Transaction, run *Run, own *person.Member) error {
	rest := map[string]any{}
	if own.Doc.Identified != "" {
		rest["identified"] = own.Doc.Identified
	}
	switch link := own.Doc.Link; {
	case link == nil:
	case link.To == "":
		rest["link"] = *link
	case !slices.Contains(run.Check[len(j.run.Check):], link.To):
		run.Check = append(run.Check, link.To)
	}
	run.Counts.Persons++
	ref := person.Ref(j.db, j.project, own.Key)
	var err error
	if len(rest) > 0 {
		err = tx.Set(ref, rest)
	} else {
		err = tx.Delete(ref)
	}
	if err != nil {
		return err
	}
	return j.put(tx, run)
}

// needed reports whether something holds that is to outlive all data. Of the identity
// these are a fence, statements of consent, what a link leaves to be done, and amendments
// of what may still be on its way; of the person, which a link makes hold for the
// identity, consent, a restriction and a hold.
func needed(s *person.Standing, c Config) bool {
	own, whole := &s.Own.Doc, &s.Person.Doc
	return !own.ErasedAt.IsZero() || own.Spoke || own.Pending != nil || len(amend.Trim(own.Amendments, c.now())) > 0 ||
		whole.Consent.State != "" || len(whole.Said) > 0 || whole.Restriction != nil || whole.Hold != nil
}
