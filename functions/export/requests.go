package export

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/lethe-analytics/lethe/shared/objects"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/request"
)

// Request is one entry of requests.json, the oldest first.
type Request struct {
	ID         string          `json:"id"`
	Kind       request.Kind    `json:"kind"`
	Status     request.Status  `json:"status"`
	Origin     request.Origin  `json:"origin"`
	CreatedAt  time.Time       `json:"created_at"`
	FinishedAt time.Time       `json:"finished_at,omitzero"`
	Result     json.RawMessage `json:"result,omitempty"`
}

// writeRequests writes requests.json: the requests that name any of the identities.
func (j *job) writeRequests(ctx context.Context) (done bool, err error) {
	found, err := j.loadFound(ctx)
	if err != nil {
		return false, err
	}
	who := j.pos.Subject
	for {
		all, err := j.readBatch(ctx)
		if err != nil {
			return false, err
		}
		if len(all) == 0 {
			return true, j.listRequests(ctx, slices.Sorted(maps.Keys(found)))
		}
		var keys []person.Key
		for _, s := range all {
			if s.Within(who.Root) {
				keys = append(keys, s.Own.Key)
			}
		}
		parts, err := request.Of(ctx, j.db, j.project.ID, keys...)
		if err != nil {
			return false, err
		}
		for _, p := range parts {
			found[p.Request] = true
		}
		who.leaveBatch()
		if j.hasBatch() && j.isFull() {
			return false, j.saveFound(ctx, found)
		}
	}
}

// listRequests writes the requests.
func (j *job) listRequests(ctx context.Context, ids []string) error {
	var list []Request
	for some := range slices.Chunk(ids, request.PageSize) {
		all, err := request.GetAll(ctx, j.db, j.project.ID, some)
		if err != nil {
			return err
		}
		for _, r := range all {
			list = append(list, Request{r.ID, r.Kind, r.Status, r.Origin, r.Created.UTC(), r.Finished.UTC(), json.RawMessage(r.Result)})
		}
	}
	slices.SortFunc(list, func(a, b Request) int { return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID)) })
	f := &arrayFile{job: j, name: "requests"}
	for i := range list {
		if err := f.add(list[i]); err != nil {
			return err
		}
	}
	return f.end(true)
}

// foundName is of the object that holds the ids of the requests that have been found,
// while a search goes on in another slice. It goes with the segments.
func (j *job) foundName() string {
	return objects.ArchivePrefix(j.slice.Project, j.slice.ID) + "segments/requests"
}

func (j *job) saveFound(ctx context.Context, found map[string]bool) error {
	text, err := json.Marshal(slices.Sorted(maps.Keys(found)))
	if err != nil {
		return fmt.Errorf("write the requests found: %w", err)
	}
	return j.put(ctx, j.foundName(), "application/json", text)
}

// loadFound reads what saveFound has saved. A worker that was killed may have found more
// than the position tells: it is found again.
func (j *job) loadFound(ctx context.Context) (map[string]bool, error) {
	found := map[string]bool{}
	if j.pos.Subject.Batch == 0 {
		return found, nil
	}
	r, err := j.bucket.Object(j.foundName()).NewReader(ctx)
	if err != nil {
		return nil, unreadable(err)
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, unreadable(err)
	}
	var ids []string
	if err := json.Unmarshal(text, &ids); err != nil {
		return nil, fmt.Errorf("decode the requests found: %w", err)
	}
	for _, id := range ids {
		found[id] = true
	}
	return found, nil
}
