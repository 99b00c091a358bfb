package erase

import (
	"context"
	"log/slog"
	"slices"

	"github.com/lethe-analytics/lethe/shared/objects"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/profile"
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
		if doc.ErasedAt.Before(m.fence) || doc.DistinctID == "" && doc.Profile != "" && !doc.Joined ||
			doc.DistinctID != "" && !doc.FirstSeen.After(m.fence) {
			left++
		}
		// Something came meanwhile, and the document does not name it. Behind a later
		// fence, that is for the later erasure to see to.
		if doc.DistinctID == "" && (after[i].chunk != nil || after[i].operations) && !doc.ErasedAt.After(m.fence) {
			left++
		}
	}
	mentions, err := j.mentions(ctx, g)
	if err != nil {
		return false, err
	}
	for _, m := range mentions {
		n, err := j.remains(ctx, m)
		if err != nil {
			return false, err
		}
		left += n
	}
	j.found(ctx, left)
	return true, nil
}

// remains counts what a request still has of persons: distinct_ids, private parameters or
// a reason, and objects of its archive.
func (j *job) remains(ctx context.Context, m mention) (n int, err error) {
	for i, k := range m.part.Keys {
		if slices.Contains(m.names, k) && m.part.IDs[i] != "" {
			n++
		}
	}
	names, err := objects.Archive(ctx, j.Bucket, j.project.ID, m.Request)
	return n + len(names), err
}

// verifyAmended goes through the members' operations and chunks again: a pass that
// changes nothing proves that nothing is left.
func (j *job) verifyAmended(ctx context.Context, g *group) (done bool, err error) {
	for j.pos.Member < len(g.members) {
		n, p, done, err := j.amendMember(ctx, g.members[j.pos.Member])
		if err != nil {
			return false, err
		}
		j.found(ctx, n.Rewritten+p.Operations)
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
	if j.named(g) {
		for _, m := range g.members {
			n, err := profile.Freshen(ctx, j.Default, j.project.ID, m.person)
			if err != nil {
				return false, err
			}
			j.found(ctx, n)
		}
	}
	mentions, err := j.mentions(ctx, g)
	if err != nil {
		return false, err
	}
	for _, m := range mentions {
		names, err := objects.Archive(ctx, j.Bucket, j.project.ID, m.Request)
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
