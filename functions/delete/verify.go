package erase

import (
	"context"
	"log/slog"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/objects"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/request"
)

// verify counts a group again, having deleted: what is found now remains.
func (j *job) verify(ctx context.Context, g *group) (done bool, err error) {
	if !j.params.whole() {
		return j.verifyAmended(ctx, g)
	}
	found, after, err := j.find(ctx, g)
	if err != nil {
		return false, err
	}
	left := len(found)
	settled, err := person.SettleOptOuts(ctx, j.Databases, j.project.ID, g.keys(), g.newest())
	if err != nil {
		return false, err
	}
	left += settled // written just after the fence, of what was said before it
	docs, err := j.Default.GetAll(ctx, g.refs(j.Default, j.project.ID))
	if err != nil {
		return false, err
	}
	for i, d := range docs {
		var doc person.Doc
		if !d.Exists() {
			continue
		}
		if err := d.DataTo(&doc); err != nil {
			return false, err
		}
		m := g.members[i]
		if doc.ErasedAt.Before(m.fence) || doc.DistinctID == "" && doc.Profile != "" ||
			doc.DistinctID != "" && !doc.FirstSeen.After(m.fence) {
			left++
		}
		// Something came meanwhile, and the document does not name it. Behind a later
		// fence, that is for the later erasure to see to.
		if doc.DistinctID == "" && (after[i].chunk != nil || after[i].operations) && !doc.ErasedAt.After(m.fence) {
			left++
		}
	}
	names, parts, err := j.mentioned(ctx, g)
	if err != nil {
		return false, err
	}
	for path, f := range parts {
		n, err := j.mentions(ctx, f, names[path])
		if err != nil {
			return false, err
		}
		left += n
	}
	j.found(ctx, left)
	return true, nil
}

// mentions counts what a request still has of persons: distinct_ids, private
// parameters or a reason, and objects of its archive.
func (j *job) mentions(ctx context.Context, f request.Found, keys []person.Key) (n int, err error) {
	snap, err := f.Part.Get(ctx)
	if err != nil {
		return 0, err
	}
	var part request.Part
	if err := snap.DataTo(&part); err != nil {
		return 0, err
	}
	for _, k := range keys {
		for i := range part.Keys {
			if part.Keys[i] == k && part.IDs[i] != "" {
				n++
			}
		}
	}
	r, err := request.Get(ctx, j.Default, j.project.ID, f.Request, "")
	if err != nil && fault.Of(err) != fault.NotFound {
		return 0, err
	}
	if err == nil && len(keys) > 0 && r.Private+r.Reason != "" {
		n++
	}
	names, err := objects.Archive(ctx, j.Bucket, j.project.ID, f.Request)
	return n + len(names), err
}

// verifyAmended goes through the members' profiles and chunks again: a pass that
// changes nothing proves that nothing is left.
func (j *job) verifyAmended(ctx context.Context, g *group) (done bool, err error) {
	for j.pos.Member < len(g.members) {
		n, p, done, err := j.amendMember(ctx, g.members[j.pos.Member])
		if err != nil {
			return false, err
		}
		j.found(ctx, n.Rewritten+p.Operations+p.Properties)
		if done {
			j.pos.Member, j.pos.Cursor = j.pos.Member+1, ""
		}
		if err := j.slice.Save(ctx, j.pos); err != nil {
			return false, err
		}
		if !j.slice.Time() {
			return false, nil
		}
	}
	_, parts, err := j.mentioned(ctx, g)
	if err != nil {
		return false, err
	}
	for _, f := range parts {
		names, err := objects.Archive(ctx, j.Bucket, j.project.ID, f.Request)
		if err != nil {
			return false, err
		}
		j.found(ctx, len(names))
	}
	return true, nil
}

// found notes what the verification has found.
func (j *job) found(ctx context.Context, n int) {
	if n > 0 {
		j.pos.Left = true
		slog.WarnContext(ctx, "an erasure is not complete and goes on", "request", j.slice.ID, "left", n)
	}
}
