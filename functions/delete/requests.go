package erase

import (
	"context"
	"fmt"
	"slices"
	"time"

	"cloud.google.com/go/firestore"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/objects"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/request"
)

// leasePause is between two looks at an export that is still being made.
const leasePause = 200 * time.Millisecond

// mentioned finds, by part, the requests that name a member and were made before the
// fences or before the group has settled. The names are those of before the fences.
func (j *job) mentioned(ctx context.Context, g *group) (map[string][]person.Key, map[string]request.Found, error) {
	names := map[string][]person.Key{}
	parts := map[string]request.Found{}
	each := make([][]request.Found, len(g.members))
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(parallel)
	for i, m := range g.members {
		work.Go(func() (err error) {
			each[i], err = request.Of(ctx, j.Default, j.project.ID, m.key)
			return err
		})
	}
	if err := work.Wait(); err != nil {
		return nil, nil, err
	}
	for i, m := range g.members {
		for _, f := range each[i] {
			if !f.Created.After(m.fence) {
				names[f.Part.Path] = append(names[f.Part.Path], m.key)
			}
			if !f.Created.After(m.fence) || !f.Created.After(g.settled) {
				parts[f.Part.Path] = f
			}
		}
	}
	return names, parts, nil
}

// requests takes away the archives that hold a member, made or in the making, and
// what the requests that name one hold of it. Done is false if the time is
// over while an archive is still being made.
func (j *job) requests(ctx context.Context, g *group) (done bool, err error) {
	names, parts, err := j.mentioned(ctx, g)
	if err != nil {
		return false, err
	}
	seen := map[string]bool{}
	for path, f := range parts {
		if !seen[f.Request] {
			seen[f.Request] = true
			if done, err := j.withdraw(ctx, f.Request); err != nil || !done {
				return false, err
			}
		}
		if j.params.whole() {
			n, err := j.scrub(ctx, f, names[path])
			if err != nil {
				return false, err
			}
			j.pos.Stores.Requests.Del(n)
		}
	}
	return true, nil
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
	for range fenceTries {
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
		n = 0
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
		if err == nil {
			return n, nil
		}
		if !gcp.Overtaken(err) {
			return 0, fmt.Errorf("clear the distinct_ids of a request: %w", err)
		}
	}
	return 0, fault.New(fault.Unavailable, "a request is being written without pause")
}
