package person

import (
	"context"

	"github.com/lethe-analytics/lethe/shared/amend"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/profile"
)

// addToProfile makes the new values one operation of the identity that was asked about, as
// a key has said them, and folds the person's profile.
func (j *rectifyJob) addToProfile(ctx context.Context) error {
	if j.params.Profile == "" {
		return nil
	}
	own, err := j.readIdentity(ctx, j.named)
	if err != nil {
		return err
	}
	doc := &own.Doc
	i := j.findAmendments(doc)
	if i < 0 { // erased since
		return nil
	}
	values, err := profile.Parse(j.params.Profile)
	if err != nil {
		return err
	}
	for _, name := range j.erasedSince(doc) {
		delete(values, name)
	}
	if len(values) == 0 {
		return nil
	}
	set, err := amend.Compile(doc.Amendments)
	if err != nil {
		return err
	}
	n, err := profile.Amend(ctx, j.db, j.slice.Project, j.named, set, event.Op{
		DistinctID: doc.DistinctID, Name: "$set", Value: values.JSON(), Speaker: event.ByKey,
		Received: event.Millis(doc.Amendments[i].At.UnixMilli()), Request: j.slice.ID,
	})
	j.pos.Counts.Profile.Add(n)
	return err
}
