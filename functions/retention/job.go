package retention

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"cloud.google.com/go/firestore"
	"golang.org/x/sync/errgroup"

	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/retention"
)

// job is a slice of a run.
type job struct {
	*purger
	project string
	day     time.Time // of the run, by which cutoffs are made
	run     *Run      // as it was last read or written
	lease   time.Time
	end     time.Time

	doc  retention.Doc       // as it is stored
	held map[person.Key]bool // identities
}

// stages are those of a run, in order.
var stages = []func(*job, context.Context) (done bool, err error){
	(*job).chunks, (*job).rules, (*job).operations, (*job).archives, (*job).finish,
}

// work goes on from the saved position until it is done or the slice has no more
// time. If settings or holds change meanwhile, it goes on with what they are now.
func (j *job) work(ctx context.Context) (done bool, err error) {
	for {
		done, err = false, j.load(ctx)
		if err == nil {
			done, err = j.stage(ctx)
		}
		if !errors.Is(err, errChanged) {
			return done, err
		}
		if !j.time() {
			return false, nil
		}
	}
}

func (j *job) stage(ctx context.Context) (done bool, err error) {
	for j.run.Stage < len(stages) {
		if done, err := stages[j.run.Stage](j, ctx); err != nil || !done {
			return false, err
		}
		if err := j.commit(ctx, func(r *Run) { r.Stage++; r.Cursor = cursor{} }, nil); err != nil {
			return false, err
		}
	}
	return true, nil
}

// time reports whether there is time left to begin something else.
func (j *job) time() bool { return time.Now().Before(j.end) }

// load reads what the purge must heed. The version of the settings is read first: a
// hold that comes after it is noticed by commit.
func (j *job) load(ctx context.Context) (err error) {
	if j.doc, err = j.settle(ctx); err != nil {
		return err
	}
	if j.held, err = readHeld(ctx, j.db, j.project); err != nil {
		return err
	}
	return j.commit(ctx, func(r *Run) { r.Days, r.Held = j.doc.Days, j.doc.Hold != nil }, nil)
}

// settle reads the settings. A shortening whose time has come is stored as what is
// in force before anything goes by it, so that it cannot be taken back any more.
func (j *job) settle(ctx context.Context) (d retention.Doc, err error) {
	ref := retention.Ref(j.db, j.project)
	err = j.db.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		snap, err := tx.Get(ref)
		if err != nil {
			return err
		}
		stored, err := retention.Decode(snap)
		if err != nil {
			return err
		}
		if d = stored.Settled(j.config.now()); d.Version == stored.Version {
			return nil
		}
		return tx.Update(ref, d.Updates())
	})
	if err != nil {
		return d, fmt.Errorf("read retention: %w", err)
	}
	return d, nil
}

// heldParallel is how many held persons' identities are read at a time.
const heldParallel = 8

// readHeld reads the identities of the persons who are under a legal hold. The hold
// stands with the person, so nobody else's documents need to be looked at.
func readHeld(ctx context.Context, db *firestore.Client, projectID string) (map[person.Key]bool, error) {
	docs, err := retention.Ref(db, projectID).Collection("people").Where("hold.since", ">", time.Unix(0, 0)).Select("joined").Documents(ctx).GetAll()
	if err != nil {
		return nil, fmt.Errorf("find persons on hold: %w", err)
	}
	var mu sync.Mutex
	held := map[person.Key]bool{}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(heldParallel)
	for _, snap := range docs {
		g.Go(func() error {
			of := person.Member{Key: person.Key(snap.Ref.ID), Snap: snap}
			if err := snap.DataTo(&of.Doc); err != nil {
				return fmt.Errorf("decode person: %w", err)
			}
			for m, err := range person.Members(gctx, db, projectID, of, false) {
				if err != nil {
					return err
				}
				mu.Lock()
				held[m.Key] = true
				mu.Unlock()
			}
			return nil
		})
	}
	return held, g.Wait()
}

// check reads the run within a transaction, and makes sure that it is the worker's
// still, and that settings and holds are as the slice has read them.
func (j *job) check(tx *firestore.Transaction) (*Run, error) {
	snaps, err := tx.GetAll([]*firestore.DocumentRef{retention.Ref(j.db, j.project), runRef(j.db, j.project, j.run.Day)})
	if err != nil {
		return nil, err
	}
	doc, err := retention.Decode(snaps[0])
	if err != nil {
		return nil, err
	}
	if !snaps[1].Exists() {
		return nil, errLost
	}
	r, err := decodeRun(snaps[1])
	switch {
	case err != nil:
		return nil, err
	case !r.Lease.Equal(j.lease):
		return nil, errLost
	case doc.Version != j.doc.Version || !doc.Settings().Equal(j.doc.Settings()) || (doc.Hold == nil) != (j.doc.Hold == nil):
		return nil, errChanged
	}
	return r, nil
}

// put stores the run within a transaction.
func (j *job) put(tx *firestore.Transaction, r *Run) error {
	return tx.Set(runRef(j.db, j.project, r.Day), r)
}

// commit changes the run, together with other writes if there are any.
func (j *job) commit(ctx context.Context, change func(*Run), writes func(*firestore.Transaction) error) error {
	var next *Run
	err := j.db.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) (err error) {
		if next, err = j.check(tx); err != nil {
			return err
		}
		change(next)
		if writes != nil {
			if err := writes(tx); err != nil {
				return err
			}
		}
		return j.put(tx, next)
	})
	if err != nil {
		return fmt.Errorf("save a run: %w", err)
	}
	j.run = next
	return nil
}
