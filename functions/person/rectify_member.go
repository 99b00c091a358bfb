package person

import (
	"context"
	"fmt"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/amend"
	"github.com/lethe-analytics/lethe/shared/chunk"
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
	pos    *progress
	saved  time.Time
}

// rectifyMember goes on with one identity; done is false when the time is over.
func (j *rectifyJob) rectifyMember(ctx context.Context, step person.Step) (done bool, err error) {
	if j.pos.Member != step.Key {
		j.pos.Member, j.pos.Here = step.Key, step.At
		j.enterStage(stageAmend)
	}
	doc, news, amended, err := j.amendDocument(ctx, step.Key)
	if err != nil {
		return false, err
	}
	if !amended { // erased since: there is nothing to rectify
		return true, j.leaveMember(ctx)
	}
	j.pos.Found = j.pos.Found || news
	set, err := amend.Compile(doc.Amendments)
	if err != nil {
		return false, err
	}
	if j.pos.Stage == stageAmend {
		j.enterStage(stageOps)
	}
	if j.pos.Stage == stageOps {
		if err := j.amendOps(ctx, step.Key, &doc, set); err != nil {
			return false, err
		}
		j.enterStage(stageChunks)
	}
	for clean := false; !clean; {
		if done, clean, err = j.amendChunks(ctx, step.Key, set); err != nil || !done {
			return false, err
		}
	}
	if doc.DistinctID != "" {
		j.pos.Counts.Persons++
	}
	return true, j.leaveMember(ctx)
}

// enterStage begins the next stage.
func (j *rectifyJob) enterStage(to stage) { j.pos.Stage, j.pos.Cursor, j.pos.Dirty = to, "", false }

// saveAfter is how long a worker goes on before it saves how far it has come: a killed one
// does that much again.
const saveAfter = time.Second

// leaveMember notes that an identity is finished.
func (j *rectifyJob) leaveMember(ctx context.Context) error {
	j.pos.Behind, j.pos.Member, j.pos.Here = j.pos.Here, "", ""
	j.enterStage(stageAmend)
	if time.Since(j.saved) < saveAfter {
		return nil
	}
	j.saved = time.Now()
	return j.slice.Save(ctx, j.pos)
}

// amendDocument puts the amendments on the document of an identity, once, and reads it.
// They are there also for one of which nothing has been stored: it may be on its way. What
// was erased after the rectification was asked for is not set again by it, though it comes
// later.
func (j *rectifyJob) amendDocument(ctx context.Context, key person.Key) (doc person.Doc, news, amended bool, err error) {
	ref := person.Ref(j.db, j.slice.Project, key)
	err = j.db.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		news, amended = false, false
		all, err := tx.GetAll([]*firestore.DocumentRef{ref})
		if err != nil {
			return err
		}
		doc = person.Doc{}
		if all[0].Exists() {
			if err := all[0].DataTo(&doc); err != nil {
				return fmt.Errorf("decode identity: %w", err)
			}
		}
		if !doc.AfterFence(j.slice.Created) {
			return nil
		}
		if amended = true; j.isAmended(&doc) {
			return nil
		}
		mine, err := amend.Without(j.params.amendments(), j.erasedSince(&doc))
		if err != nil {
			return err
		}
		if doc.Amendments, _, err = amend.Add(doc.Amendments, j.pos.At, j.slice.ID, mine); err != nil {
			return err
		}
		news = true
		return tx.Set(ref, map[string]any{"amendments": doc.Amendments}, firestore.MergeAll)
	})
	if err != nil {
		return doc, false, false, fmt.Errorf("amend an identity: %w", err)
	}
	return doc, news, amended, nil
}

// erasedSince are the properties that were erased since the rectification was asked for.
func (j *rectifyJob) erasedSince(doc *person.Doc) (gone []string) {
	for _, a := range doc.Amendments {
		if a.At.After(j.slice.Created) {
			gone = append(gone, a.Properties...)
		}
	}
	return gone
}

// amendOps amends the operations of one identity. The profile is folded when all have been
// amended: Top says until then that it is stale.
func (j *rectifyJob) amendOps(ctx context.Context, key person.Key, doc *person.Doc, set *amend.Set) error {
	if j.params.Profile == "" || !doc.Operates && key != j.pos.Top {
		return nil
	}
	n, err := profile.AmendOps(ctx, j.db, j.slice.Project, key, j.pos.Top, set)
	j.pos.Counts.Profile.Add(n)
	return err
}

// amendChunks goes through the stored events, and through them again until a pass finds
// nothing to change: clean is true then. done is false when the time is over.
func (j *rectifyJob) amendChunks(ctx context.Context, key person.Key, set *amend.Set) (done, clean bool, err error) {
	unfit := set.Unfit()
	n, next, done, err := chunk.Amend(ctx, j.db, j.slice.Project, key, set, j.pos.Cursor, j.slice.Time)
	j.pos.Cursor = next
	j.pos.Dirty = j.pos.Dirty || n.Rewritten > 0
	if j.pos.Stage == stageVerify {
		n.Chunks = 0 // they have been counted
	} else {
		j.pos.Unfit += set.Unfit() - unfit
	}
	j.pos.Counts.Events.Add(n) // also of what failed later: it will not be found again
	switch {
	case err != nil || !done:
		return false, false, err
	case j.pos.Dirty:
		j.enterStage(stageVerify)
		return true, false, nil
	}
	return true, true, nil
}
