package erase

import (
	"context"
	"fmt"
	"slices"
	"time"

	"cloud.google.com/go/firestore"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/objects"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/request"
)

// leasePause is between two looks at an export that is still being made.
const leasePause = 200 * time.Millisecond

// mention is a part of a request that names members, or that a deletion has appended.
type mention struct {
	request.Found
	part  request.Part
	names []person.Key // of the members, as of before their fences
}

// mentions finds the requests that name a member and were made before the fences or
// before the group has settled.
func (j *job) mentions(ctx context.Context, g *group) (all []mention, err error) {
	found, err := request.Of(ctx, j.Default, j.project.ID, g.keys()...)
	if err != nil {
		return nil, err
	}
	for _, f := range found {
		snap, err := f.Part.Get(ctx)
		if status.Code(err) == codes.NotFound {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read part of a request: %w", err)
		}
		m := mention{Found: f}
		if err := snap.DataTo(&m.part); err != nil {
			return nil, fmt.Errorf("decode part of a request: %w", err)
		}
		for _, of := range g.members {
			if slices.Contains(m.part.Keys, of.key) && !f.Created.After(of.fence) {
				m.names = append(m.names, of.key)
			}
		}
		if len(m.names) > 0 || !f.Created.After(g.settled) {
			all = append(all, m)
		}
	}
	return all, nil
}

// requests takes away the archives that hold a member, made or in the making, and
// what the requests that name one hold of it. Done is false if the time is
// over while an archive is still being made.
func (j *job) requests(ctx context.Context, g *group) (done bool, err error) {
	if err := untilWritten(func() error { return j.settle(ctx, g) }); err != nil {
		return false, err
	}
	all, err := j.mentions(ctx, g)
	if err != nil {
		return false, err
	}
	seen := map[string]bool{}
	for _, m := range all {
		if !seen[m.Request] {
			seen[m.Request] = true
			if done, err := j.withdraw(ctx, m.Request); err != nil || !done {
				return false, err
			}
		}
		if j.params.whole() {
			n, err := j.scrub(ctx, m.Found, m.names)
			if err != nil {
				return false, err
			}
			j.pos.Stores.Requests.Del(n)
		}
	}
	return true, nil
}

// settle notes, once, since when nobody reads any more what goes: of whole persons
// since the fences were written, of single properties or events since all has been
// rewritten. The fence does not tell: its clock is not Firestore's, and what reads
// meanwhile still finds it all.
func (j *job) settle(ctx context.Context, g *group) error {
	if !g.settled.IsZero() {
		return nil
	}
	snap, part, err := j.readPart(ctx, g.part)
	if err != nil {
		return err
	}
	at := snap.ReadTime
	if j.params.whole() {
		at = snap.UpdateTime
	}
	for i := g.begin; i < g.end; i++ {
		part.Subjects[i].Settled = at
	}
	_, err = snap.Ref.Update(ctx, []firestore.Update{{Path: "subjects", Value: part.Subjects}}, firestore.LastUpdateTime(snap.UpdateTime))
	if err != nil {
		return fmt.Errorf("note when a deletion has settled: %w", err)
	}
	g.settled = at
	return nil
}

// withdraw takes away the archive of a request, if it is an export.
func (j *job) withdraw(ctx context.Context, id string) (done bool, err error) {
	if _, err := request.Get(ctx, j.Default, j.project.ID, id, request.Export); fault.Of(err) == fault.NotFound {
		return true, nil
	} else if err != nil {
		return false, err
	}
	for {
		done, err := request.Withdraw(ctx, j.Default, j.project.ID, id)
		if err != nil {
			return false, err
		}
		n, err := objects.DeleteArchive(ctx, j.Bucket, j.project.ID, id)
		j.pos.Stores.Archives.Del(n)
		if err != nil || done || !j.slice.Time() {
			return done, err
		}
		select {
		case <-time.After(leasePause):
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// scrub takes the distinct_ids of some persons out of a part, and the private
// parameters and the reason out of the request.
func (j *job) scrub(ctx context.Context, f request.Found, keys []person.Key) (n int, err error) {
	err = untilWritten(func() error {
		n, err = j.scrubPart(ctx, f, keys)
		return err
	})
	return n, err
}

func (j *job) scrubPart(ctx context.Context, f request.Found, keys []person.Key) (n int, err error) {
	snap, err := f.Part.Get(ctx)
	if status.Code(err) == codes.NotFound {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read part of a request: %w", err)
	}
	var part request.Part
	if err := snap.DataTo(&part); err != nil {
		return 0, fmt.Errorf("decode part of a request: %w", err)
	}
	for i := range part.IDs {
		if part.IDs[i] != "" && slices.Contains(keys, part.Keys[i]) {
			part.IDs[i] = ""
			n++
		}
	}
	if n == 0 {
		return 0, nil
	}
	// They go first: whoever finds the distinct_ids gone looks no further.
	_, err = request.Ref(j.Default, j.project.ID, f.Request).Update(ctx, []firestore.Update{
		{Path: "private", Value: firestore.Delete}, {Path: "reason", Value: firestore.Delete}})
	if err != nil && status.Code(err) != codes.NotFound {
		return 0, fmt.Errorf("clear the parameters of a request: %w", err)
	}
	_, err = f.Part.Update(ctx, []firestore.Update{{Path: "ids", Value: part.IDs}}, firestore.LastUpdateTime(snap.UpdateTime))
	if err != nil {
		return 0, fmt.Errorf("clear the distinct_ids of a request: %w", err)
	}
	return n, nil
}
