package erase

import (
	"context"
	"time"

	"cloud.google.com/go/firestore"
	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/storage"

	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/person"
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
	stageErase   stage = ""        // fences, data, archives, requests: group after group
	stageLetters stage = "letters" // the dead letters
	stageVerify  stage = "verify"  // all of the groups again, counting
	stageReceipt stage = "receipt" // the dead letters again, and the receipt
)

// progress is where a slice begins: the position of the request.
type progress struct {
	Stage  stage          `json:"stage,omitempty"`
	Part   int            `json:"part"`             // of the request
	Next   int            `json:"next"`             // of the part's persons: where the next group begins
	Member int            `json:"member,omitempty"` // of the group, of an erasure of properties or events
	Cursor string         `json:"cursor,omitempty"` // among the member's chunks
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

// groupSize is how many persons are worked on together: their fences are written
// in one transaction, with up to MaxLinked others each.
const groupSize = 20

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
		switch j.pos.Stage {
		case stageErase:
			err = j.groups(ctx, stageLetters, j.erase)
		case stageLetters:
			err = j.letters(ctx)
		case stageVerify:
			err = j.groups(ctx, stageReceipt, j.verify)
		case stageReceipt:
			if done, err := j.finish(ctx); err != nil || done {
				return request.Outcome{Done: done, Result: j.pos.Stores}, err
			}
		}
		if err != nil {
			return request.Outcome{}, err
		}
	}
	return request.Outcome{}, nil
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

// group is some persons of the request, with all who were one with them when
// their fences were set.
type group struct {
	part    int
	begin   int // of the persons in the part
	end     int
	last    bool      // of the part
	settled time.Time // request.Subject.Settled of all of them
	members []member
}

// member is one distinct_id that is to be erased.
type member struct {
	key   person.Key
	fence time.Time
}

// group reads the next group, and sets its fences if that has not been done.
func (j *job) group(ctx context.Context) (*group, error) {
	subjects, g, err := j.fence(ctx)
	if err != nil {
		return nil, err
	}
	g.settled = subjects[0].Settled
	seen := map[person.Key]bool{}
	for _, s := range subjects {
		for _, k := range append([]person.Key{s.key}, s.Linked...) {
			if !seen[k] { // two persons of the request may be one
				seen[k] = true
				g.members = append(g.members, member{k, s.Fence})
			}
		}
	}
	return g, nil
}

// refs are the documents of the members.
func (g *group) refs(db *firestore.Client, project string) []*firestore.DocumentRef {
	refs := make([]*firestore.DocumentRef, len(g.members))
	for i, m := range g.members {
		refs[i] = person.Ref(db, project, m.key)
	}
	return refs
}
