package erase

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

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

// erase erases a group: all of it, or what the amendments say.
func (j *job) erase(ctx context.Context, g *group) (done bool, err error) {
	if !j.params.whole() {
		return j.eraseSingle(ctx, g)
	}
	if err := j.settle(ctx, g); err != nil {
		return false, err
	}
	if _, err := person.SettleOptOuts(ctx, j.Databases, j.project.ID, g.keys(), g.newest()); err != nil {
		return false, err
	}
	for {
		found, young, err := j.find(ctx, g)
		if err != nil {
			return false, err
		}
		if len(found) == 0 {
			if err := j.revive(ctx, g, young); err != nil {
				return false, err
			}
			return j.requests(ctx, g)
		}
		if err := j.remove(ctx, found); err != nil {
			return false, err
		}
		if !j.slice.Time() {
			return false, nil
		}
	}
}

// keys are those of the members.
func (g *group) keys() []person.Key {
	keys := make([]person.Key, len(g.members))
	for i, m := range g.members {
		keys[i] = m.key
	}
	return keys
}

// newest is the latest of the group's fences.
func (g *group) newest() (fence time.Time) {
	for _, m := range g.members {
		if m.fence.After(fence) {
			fence = m.fence
		}
	}
	return fence
}

// young is what a member has from after the fence.
type young struct {
	chunk      *firestore.DocumentRef
	operations bool
}

// find looks for what the group's members have from before their fences.
func (j *job) find(ctx context.Context, g *group) (found []removal, after []young, err error) {
	each := make([][]removal, len(g.members))
	after = make([]young, len(g.members))
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

func (j *job) findMember(ctx context.Context, m member) (found []removal, after young, err error) {
	for c, err := range chunk.Erasures(ctx, j.Default, j.project.ID, m.key, m.fence) {
		if err != nil {
			return nil, after, err
		}
		if c.Events == 0 || len(c.Kept) > 0 {
			after.chunk = c.Ref
		}
		if c.Events > 0 {
			found = append(found, removeChunk(c))
		}
		if len(found) == findMost { // there may be more, and is to be another look
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
	r.write = func(tx *firestore.Transaction) error {
		for _, k := range c.Kept {
			if err := tx.Set(c.Ref.Parent.Doc(k.ID), k.Doc); err != nil {
				return err
			}
		}
		return tx.Delete(c.Ref, c.Read)
	}
	return r
}

func removeOps(o profile.Erasure) removal {
	r := removal{count: func(s *receipt.Stores) { s.Operations.Del(o.Operations) }}
	if o.Kept == nil {
		r.write = func(tx *firestore.Transaction) error { return tx.Delete(o.Ref, o.Read) }
		return r
	}
	r.bytes = len(o.Kept.Data)
	r.write = func(tx *firestore.Transaction) error {
		return tx.Update(o.Ref, []firestore.Update{{Path: "received", Value: o.Kept.Received}, {Path: "data", Value: o.Kept.Data}}, o.Read)
	}
	return r
}

// remove does the removals, some in a transaction that also saves their count: a
// worker that is killed counts nothing twice and forgets nothing. Those that
// somebody has overtaken, or for which there is no time, are left to another look.
func (j *job) remove(ctx context.Context, all []removal) error {
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
		position, err := json.Marshal(pos)
		if err != nil {
			return fmt.Errorf("write the position of a deletion: %w", err)
		}
		err = j.Default.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
			for _, r := range some {
				if err := r.write(tx); err != nil {
					return err
				}
			}
			return tx.Update(request.Ref(j.Default, j.project.ID, j.slice.ID), []firestore.Update{{Path: "position", Value: string(position)}})
		})
		switch {
		case err == nil:
			j.pos = pos
		case gcp.Overtaken(err) && len(some) > 1: // by one of them, but which?
			for _, r := range some {
				if err := j.remove(ctx, []removal{r}); err != nil {
					return err
				}
			}
		case !gcp.Overtaken(err):
			return fmt.Errorf("erase: %w", err)
		}
	}
	return nil
}

// revive completes the documents of members of whom something was stored just
// before the fence was, though it came just after it.
func (j *job) revive(ctx context.Context, g *group, after []young) error {
	for i, m := range g.members {
		if after[i].operations {
			if err := profile.Refold(ctx, j.Default, j.project.ID, m.key); err != nil {
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
