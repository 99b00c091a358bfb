package person

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"cloud.google.com/go/firestore"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lethe-analytics/lethe/shared/amend"
	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/profile"
	"github.com/lethe-analytics/lethe/shared/request"
)

// rectifyJob is a slice of one rectification.
type rectifyJob struct {
	*rectifier
	slice  *request.Slice
	params *rectification
	named  person.Key // of the distinct_id that was asked about
	gone   []string   // properties of the member at hand that were erased since it was asked
	pos    *progress
}

// member goes on with one distinct_id; done is false when the time is over.
func (j *rectifyJob) member(ctx context.Context, key person.Key) (done bool, err error) {
	doc, amended, err := j.amend(ctx, key)
	if err != nil {
		return false, err
	}
	if !amended { // erased since: there is nothing to rectify
		return true, j.next(ctx, stageAmend)
	}
	set, err := amend.Compile(doc.Amendments)
	if err != nil {
		return false, err
	}
	if j.pos.Stage == stageAmend {
		if doc.DistinctID != "" {
			j.pos.Counts.Persons++
		}
		if err := j.next(ctx, stageProfile); err != nil {
			return false, err
		}
	}
	if j.pos.Stage == stageProfile {
		if err := j.profile(ctx, key, doc, set); err != nil {
			return false, err
		}
		if err := j.next(ctx, stageChunks); err != nil {
			return false, err
		}
	}
	for j.pos.Stage != stageAmend {
		if done, err := j.chunks(ctx, key, set); err != nil || !done {
			return false, err
		}
	}
	return true, nil
}

// next saves that the next stage has been reached; stageAmend is that of the next
// member.
func (j *rectifyJob) next(ctx context.Context, to stage) error {
	j.pos.Stage, j.pos.Cursor, j.pos.Dirty = to, "", false
	if to == stageAmend {
		j.pos.Next++
	}
	return j.slice.Save(ctx, j.pos)
}

// amend puts the amendments on the person's document, once, and reads it. They are
// there also for a person whom nothing has been stored of: it may be on its way. What
// was erased after the rectification was asked for is not set again by it, though it
// comes later.
func (j *rectifyJob) amend(ctx context.Context, key person.Key) (doc person.Doc, amended bool, err error) {
	ref := person.Ref(j.db, j.slice.Project, key)
	err = j.db.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		doc, amended = person.Doc{}, false
		snap, err := tx.Get(ref)
		if err != nil && status.Code(err) != codes.NotFound {
			return err
		}
		if err == nil {
			if err := snap.DataTo(&doc); err != nil {
				return fmt.Errorf("decode person: %w", err)
			}
		}
		if !doc.AfterFence(j.slice.Created) {
			return nil
		}
		amended, j.gone = true, nil
		for _, a := range doc.Amendments {
			if a.At.After(j.slice.Created) {
				j.gone = append(j.gone, a.Properties...)
			}
		}
		if j.mine(doc) >= 0 {
			return nil
		}
		mine, err := amend.Without(j.params.amendments(), j.gone)
		if err != nil {
			return err
		}
		if doc.Amendments, _, err = amend.Add(doc.Amendments, time.Now(), j.slice.ID, mine); err != nil {
			return err
		}
		return tx.Set(ref, map[string]any{"amendments": doc.Amendments}, firestore.MergeAll)
	})
	if err != nil {
		return doc, false, fmt.Errorf("amend a person: %w", err)
	}
	return doc, amended, nil
}

// mine is where the request's amendments begin; -1: nowhere.
func (j *rectifyJob) mine(doc person.Doc) int {
	return slices.IndexFunc(doc.Amendments, func(a amend.Amendment) bool { return a.Request == j.slice.ID })
}

// profile amends operations and profile. The new values become an operation of the
// distinct_id that was asked about, and of those that had such properties.
func (j *rectifyJob) profile(ctx context.Context, key person.Key, doc person.Doc, set *amend.Set) error {
	if j.params.Profile == "" {
		return nil
	}
	had, err := profile.Parse(doc.Profile)
	if err != nil {
		return err
	}
	values, err := profile.Parse(j.params.Profile)
	if err != nil {
		return err
	}
	for _, name := range j.gone {
		delete(values, name)
	}
	var add []event.Op
	known := key == j.named || slices.ContainsFunc(j.params.ProfileNames, func(n string) bool { _, ok := had[n]; return ok })
	if known && len(values) > 0 {
		add = []event.Op{{DistinctID: doc.DistinctID, Name: "$set", Value: values.JSON(),
			Received: event.Millis(doc.Amendments[j.mine(doc)].At.UnixMilli()), Request: j.slice.ID}}
	}
	n, err := profile.Amend(ctx, j.db, j.slice.Project, key, set, add...)
	j.pos.Counts.Profile.Add(n)
	return err
}

// chunks goes through the stored events, and through them again until a pass finds
// nothing to change.
func (j *rectifyJob) chunks(ctx context.Context, key person.Key, set *amend.Set) (done bool, err error) {
	unfit := set.Unfit()
	n, next, done, err := chunk.Amend(ctx, j.db, j.slice.Project, key, set, j.pos.Cursor, j.slice.Time)
	j.pos.Cursor = next
	j.pos.Dirty = j.pos.Dirty || n.Rewritten > 0
	if j.pos.Stage == stageVerify {
		n.Chunks = 0 // they have been counted
	} else {
		j.pos.Unfit += set.Unfit() - unfit
	}
	j.pos.Counts.Events.Add(n)
	switch {
	case err != nil: // what was done before it counts, for it will not be found again
		return false, errors.Join(err, j.slice.Save(ctx, j.pos))
	case !done:
		return false, j.slice.Save(ctx, j.pos)
	case j.pos.Stage == stageVerify && !j.pos.Dirty:
		return true, j.next(ctx, stageAmend)
	}
	return true, j.next(ctx, stageVerify)
}
