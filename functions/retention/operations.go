package retention

import (
	"context"
	"fmt"
	"time"

	"cloud.google.com/go/firestore"
	"golang.org/x/sync/errgroup"

	"github.com/lethe-analytics/lethe/shared/amend"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/profile"
	"github.com/lethe-analytics/lethe/shared/retention"
)

// peoplePage is how many identities' operations are looked at together.
const peoplePage = 100

// operations applies the rules for properties to the operations of each identity: one
// loses the property once it is older than the rule, counted from its receipt, and the
// person's profile is folded anew from what is left.
func (j *job) operations(ctx context.Context) (done bool, err error) {
	var rules []retention.Rule
	for _, r := range j.doc.Rules {
		if r.Property != "" {
			rules = append(rules, r)
		}
	}
	all := amendments(rules, func(r retention.Rule) time.Time {
		return j.day.AddDate(0, 0, -r.Days).Add(-time.Millisecond) // the last moment before the cutoff
	})
	for {
		if err := j.forget(ctx); err != nil {
			return false, err
		}
		if len(rules) == 0 || j.doc.Hold != nil {
			return true, nil
		}
		q := retention.Ref(j.db, j.project).Collection("people").Where("operates", "==", true).
			OrderBy(firestore.DocumentID, firestore.Asc).Select("stale").Limit(peoplePage)
		if j.run.People != "" {
			q = q.StartAfter(string(j.run.People))
		}
		page, err := q.Documents(ctx).GetAll()
		if err != nil {
			return false, fmt.Errorf("find identities with operations: %w", err)
		}
		if len(page) == 0 {
			return true, nil
		}
		if err := j.operationsOf(ctx, page, all); err != nil {
			return false, err
		}
		last := person.Key(page[len(page)-1].Ref.ID)
		if err := j.commit(ctx, func(r *Run) { r.People = last }, nil); err != nil {
			return false, err
		}
		if !j.time() {
			return false, nil
		}
	}
}

// operationsOf looks, in parallel, whose operations are reached, and rewrites theirs. A
// run that was killed has left profiles that are not folded yet.
func (j *job) operationsOf(ctx context.Context, page []*firestore.DocumentSnapshot, all []amend.Amendment) error {
	reached := make([]bool, len(page))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for i, snap := range page {
		key := person.Key(snap.Ref.ID)
		if j.held[key] {
			continue
		}
		g.Go(func() error {
			set, err := amend.Compile(all)
			if err != nil {
				return err
			}
			reached[i], err = profile.Reached(gctx, j.db, j.project, key, set)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	set, err := amend.Compile(all)
	if err != nil {
		return err
	}
	for i, snap := range page {
		for done := !reached[i]; !done; {
			if done, err = j.amendOperations(ctx, snap.Ref, set); err != nil {
				return err
			}
		}
		if stale, _ := snap.DataAt("stale"); !reached[i] && stale == nil {
			continue
		}
		if _, err := profile.Freshen(ctx, j.db, j.project, person.Key(snap.Ref.ID)); err != nil {
			return err
		}
	}
	return nil
}

func (j *job) amendOperations(ctx context.Context, ref *firestore.DocumentRef, set *amend.Set) (done bool, err error) {
	err = j.db.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		run, err := j.check(tx)
		if err != nil {
			return err
		}
		var n profile.Counts
		if n, done, err = profile.AmendTx(tx, ref, set); err != nil {
			return err
		}
		run.Counts.Operations += n.Operations
		if n.Operations > 0 {
			run.Check = append(run.Check, person.Key(ref.ID))
		}
		return j.put(tx, run)
	})
	if err != nil {
		return false, fmt.Errorf("age operations: %w", err)
	}
	return done, nil
}
