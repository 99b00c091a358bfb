package erase

import (
	"context"
	"fmt"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/storage"

	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/receipt"
	"github.com/lethe-analytics/lethe/shared/request"
)

// Stores are the places that an erasure reaches.
type Stores struct {
	gcp.Databases
	PubSub *pubsub.Client
	Bucket *storage.BucketHandle
}

// eraser works on deletions.
type eraser struct {
	Stores
	config Config
	signer *receipt.Signer
	parked *queue.Publisher // to the dead letters of events
}

// stage is what is to be done next.
type stage string

const (
	stageFence    stage = ""         // the fences of those who are named, and of their persons
	stageMembers  stage = "members"  // the identities of the persons, page after page, with their fences
	stageErase    stage = "erase"    // what is stored of them: group after group
	stageFold     stage = "fold"     // what is left of persons
	stageRequests stage = "requests" // archives, and other requests that name them: group after group
	stageLetters  stage = "letters"  // the dead letters
	stageVerify   stage = "verify"   // all of the groups again, counting
	stageRecount  stage = "recount"  // the identities of the persons again: is anybody missing?
	stageReceipt  stage = "receipt"  // the dead letters again, and the receipt
)

// progress is where a slice begins: the position of the request.
type progress struct {
	Stage  stage          `json:"stage,omitempty"`
	Asked  int            `json:"asked,omitempty"`  // parts of those who are named; the others follow
	Part   int            `json:"part"`             // of the request
	Next   int            `json:"next"`             // of the part's entries: where the next group begins
	Member int            `json:"member,omitempty"` // of the group, of an erasure of properties or events
	Cursor string         `json:"cursor,omitempty"` // among the member's chunks, or the identities that are linked to the entry
	Left   bool           `json:"left,omitempty"`   // the verification has found something
	Stores receipt.Stores `json:"stores"`
}

// job is a slice of one deletion.
type job struct {
	*eraser
	slice   *request.Slice
	project project.Project
	params  *erasure
	pos     progress
	sets    sets
}

// work does a slice of one deletion.
func (e *eraser) work(ctx context.Context, s *request.Slice) (request.Outcome, error) {
	j := &job{eraser: e, slice: s}
	var err error
	if j.project, err = project.Get(ctx, e.Default, s.Project); err != nil {
		return request.Outcome{}, err
	}
	if done, err := s.Resolve(ctx, j.project); err != nil || !done {
		return request.Outcome{}, err
	}
	if j.params, err = readParams(s.Request); err != nil {
		return request.Outcome{}, err
	}
	if err := s.Load(&j.pos); err != nil {
		return request.Outcome{}, err
	}
	for begun := false; !begun || s.Time(); begun = true { // a slice does something, however short
		if j.pos.Stage == stageReceipt {
			if done, err := j.finish(ctx); err != nil || done {
				return request.Outcome{Done: done, Result: j.pos.Stores}, err
			}
			continue
		}
		if err := j.step(ctx); err != nil {
			return request.Outcome{}, err
		}
	}
	return request.Outcome{}, nil
}

// step goes on with a stage.
func (j *job) step(ctx context.Context) error {
	switch j.pos.Stage {
	case stageFence:
		return j.fence(ctx)
	case stageMembers:
		return j.members(ctx, stageErase)
	case stageErase:
		return j.groups(ctx, stageFold, j.erase)
	case stageFold:
		return j.fold(ctx)
	case stageRequests:
		return j.groups(ctx, stageLetters, j.requests)
	case stageLetters:
		return j.letters(ctx)
	case stageVerify:
		return j.groups(ctx, stageRecount, j.verify)
	case stageRecount:
		return j.members(ctx, stageReceipt)
	}
	return fmt.Errorf("a deletion is at %q, which is no stage", j.pos.Stage)
}

// enter goes on to another stage, from its beginning.
func (j *job) enter(ctx context.Context, to stage) error {
	j.pos.Stage, j.pos.Part, j.pos.Next, j.pos.Member, j.pos.Cursor = to, 0, 0, 0, ""
	return j.slice.Save(ctx, j.pos)
}

// groups does something with one group after the other for as long as there is
// time; after the last, the next stage begins.
func (j *job) groups(ctx context.Context, next stage, do func(context.Context, *group) (done bool, err error)) error {
	for begun := false; !begun || j.slice.Time(); begun = true {
		if j.pos.Part == j.slice.Parts {
			return j.enter(ctx, next)
		}
		g, err := j.group(ctx)
		if err != nil {
			return err
		}
		done, err := do(ctx, g)
		if err != nil || !done {
			return err
		}
		j.pos.Member, j.pos.Cursor = 0, ""
		if j.pos.Next = g.end; g.last {
			j.pos.Part, j.pos.Next = j.pos.Part+1, 0
		}
		if err := j.slice.Save(ctx, j.pos); err != nil {
			return err
		}
	}
	return nil
}
