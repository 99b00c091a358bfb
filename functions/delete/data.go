package erase

import (
	"context"
	"fmt"
	"slices"

	"cloud.google.com/go/firestore"
	"golang.org/x/sync/errgroup"

	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/profile"
	"github.com/lethe-analytics/lethe/shared/receipt"
	"github.com/lethe-analytics/lethe/shared/request"
)

// Limits of one look and of one transaction.
const (
	parallel   = 8    // members looked at together
	findMost   = 1000 // removals of one member in one look
	writeMost  = 300  // removals in one transaction
	writeBytes = 1 << 20
)

// removal is one document that goes, or is written without what is to go.
type removal struct {
	write func(*firestore.Transaction) error
	count func(*receipt.Stores)
	bytes int
}

// erase erases what is stored of a group: all of it, or what the amendments say.
func (j *job) erase(ctx context.Context, g *group) (done bool, err error) {
	if !j.params.whole() {
		return j.amend(ctx, g)
	}
	if _, err := person.SettleOptOuts(ctx, j.Databases, j.project.ID, g.keys(), g.newest()); err != nil {
		return false, err
	}
	for {
		found, young, err := j.find(ctx, g)
		if err != nil {
			return false, err
		}
		all, err := j.remove(ctx, found)
		if err != nil {
			return false, err
		}
		if all && !slices.ContainsFunc(young, func(y youngs) bool { return y.unseen }) {
			return true, j.revive(ctx, g, young)
		}
		if !j.slice.Time() {
			return false, nil
		}
	}
}

// youngs is what a member has from after the fence.
type youngs struct {
	chunk      *firestore.DocumentRef
	operations bool
	unseen     bool // there may be more from before it than was looked at
}

// find looks for what the group's members have from before their fences.
func (j *job) find(ctx context.Context, g *group) (found []removal, after []youngs, err error) {
	each := make([][]removal, len(g.members))
	after = make([]youngs, len(g.members))
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(parallel)
	for i, m := range g.members {
		work.Go(func() (err error) {
			each[i], after[i], err = j.findMember(ctx, m)
			return err
		})
	}
	if err := work.Wait(); err != nil {
		return nil, nil, err
	}
	for _, some := range each {
		found = append(found, some...)
	}
	return found, after, nil
}

func (j *job) findMember(ctx context.Context, m member) (found []removal, after youngs, err error) {
	for c, err := range chunk.Erasures(ctx, j.Default, j.project.ID, m.key, m.fence) {
		if err != nil {
			return nil, after, err
		}
		switch {
		case len(c.Kept) > 0:
			after.chunk = c.Ref.Parent.Doc(c.Kept[0].ID)
		case c.Events == 0:
			after.chunk = c.Ref
		}
		if c.Events > 0 {
			found = append(found, removeChunk(c))
		}
		if after.unseen = len(found) == findMost; after.unseen {
			return found, after, nil
		}
	}
	ops, kept, err := profile.Erasures(ctx, j.Default, j.project.ID, m.key, m.fence)
	if err != nil {
		return nil, after, err
	}
	after.operations = kept
	for _, o := range ops {
		found = append(found, removeOps(o))
	}
	consents, err := oldConsents(ctx, j.Default, j.project.ID, m)
	if err != nil {
		return nil, after, err
	}
	after.unseen = len(consents) == findMost
	for _, c := range consents {
		found = append(found, removal{
			write: func(tx *firestore.Transaction) error { return tx.Delete(c.Ref, firestore.LastUpdateTime(c.UpdateTime)) },
			count: func(s *receipt.Stores) { s.Consents.Del(1) },
		})
	}
	return found, after, nil
}

// oldConsents are the entries of a consent history from before the fence.
func oldConsents(ctx context.Context, db *firestore.Client, project string, m member) ([]*firestore.DocumentSnapshot, error) {
	docs, err := person.Ref(db, project, m.key).Collection(person.ConsentsCollection).
		Where("at", "<=", m.fence).Select().Limit(findMost).Documents(ctx).GetAll()
	if err != nil {
		return nil, fmt.Errorf("find consents: %w", err)
	}
	return docs, nil
}

func removeChunk(c chunk.Erasure) removal {
	r := removal{count: func(s *receipt.Stores) { s.Events.Del(c.Events) }}
	for _, k := range c.Kept {
		r.bytes += len(k.Data)
	}
	r.write = c.Write
	return r
}

func removeOps(o profile.Erasure) removal {
	r := removal{count: func(s *receipt.Stores) { s.Operations.Del(o.Operations) }, write: o.Write}
	if o.Kept != nil {
		r.bytes = len(o.Kept.Data)
	}
	return r
}

// remove does the removals, some in a transaction that also saves their count: a
// worker that is killed counts nothing twice and forgets nothing. Those that
// somebody has overtaken, or for which there is no time, are left to another look: then
// done is false.
func (j *job) remove(ctx context.Context, all []removal) (done bool, err error) {
	done = true
	for begun := false; len(all) > 0 && (!begun || j.slice.Time()); begun = true {
		n, bytes := 0, 0
		stores := j.pos.Stores
		for n < len(all) && n < writeMost && (n == 0 || bytes+all[n].bytes <= writeBytes) {
			all[n].count(&stores)
			bytes += all[n].bytes
			n++
		}
		some := all[:n]
		all = all[n:]
		pos := j.pos
		pos.Stores = stores
		err := j.slice.Advance(ctx, pos, func(tx *firestore.Transaction, _ *request.Request) error {
			for _, r := range some {
				if err := r.write(tx); err != nil {
					return err
				}
			}
			return nil
		})
		switch {
		case err == nil:
			j.pos = pos
		case gcp.Overtaken(err) && len(some) > 1: // by one of them, but which?
			for _, r := range some {
				one, err := j.remove(ctx, []removal{r})
				if err != nil {
					return false, err
				}
				done = done && one
			}
		case gcp.Overtaken(err):
			done = false
		default:
			return false, fmt.Errorf("erase: %w", err)
		}
	}
	return done && len(all) == 0, nil
}

// revive completes the documents of members of whom something was stored just
// before the fence was, though it came just after it.
func (j *job) revive(ctx context.Context, g *group, after []youngs) error {
	for i, m := range g.members {
		if after[i].operations {
			if _, err := profile.Refold(ctx, j.Default, j.project.ID, m.key); err != nil {
				return err
			}
		}
		if after[i].chunk != nil {
			if err := chunk.Revive(ctx, j.Default, j.project.ID, m.key, after[i].chunk); err != nil {
				return err
			}
		}
	}
	return nil
}
