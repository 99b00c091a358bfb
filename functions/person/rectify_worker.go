package person

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/request"
	"github.com/lethe-analytics/lethe/shared/topology"
)

func openWorker(ctx context.Context) (http.Handler, error) {
	var c Config
	if err := gcp.Load(ctx, &c); err != nil {
		return nil, err
	}
	db, err := gcp.OpenFirestore(ctx, c.Config, topology.DefaultDatabase)
	if err != nil {
		return nil, err
	}
	ps, err := gcp.OpenPubSub(ctx, c.Config)
	if err != nil {
		return nil, err
	}
	dead := queue.NewPublisher(ps, topology.DeadTopic(topology.TopicRectifications), c.PublishTimeout)
	return NewWorker(c, db, dead, request.Publishers{
		Tasks:    queue.NewPublisher(ps, topology.TopicRectifications, c.PublishTimeout),
		Webhooks: queue.NewPublisher(ps, topology.TopicWebhooks, c.PublishTimeout),
	}), nil
}

// NewWorker makes the handler that works on rectifications.
func NewWorker(c Config, db *firestore.Client, dead *queue.Publisher, pubs request.Publishers) http.Handler {
	w := &rectifier{db: db}
	return request.Worker(db, dead, pubs, c.Slice, w.work)
}

// rectifier works on rectifications.
//
//	cluster ─▶ its turn ─▶ for each distinct_id: amend ─▶ profile ─▶ chunks ─▶ verify ─▶ the cluster again ─▶ finish
type rectifier struct {
	db *firestore.Client
}

// stage is what is to be done next for a member.
type stage string

const (
	stageAmend   stage = ""        // amendments on the document of the person: from here on nothing is stored unamended
	stageProfile stage = "profile" // operations and profile
	stageChunks  stage = "chunks"  // stored events
	stageVerify  stage = "verify"  // all of it again, until there is nothing left to change
)

// progress is where a slice begins: the position of the request.
type progress struct {
	Members  []person.Key        `json:"members,omitempty"` // distinct_ids that are the person's
	Next     int                 `json:"next"`              // of the members
	Stage    stage               `json:"stage,omitempty"`
	Cursor   string              `json:"cursor,omitempty"` // among the chunks
	Dirty    bool                `json:"dirty,omitempty"`  // this pass of the verification found something
	Unfit    int                 `json:"unfit,omitempty"`  // events without room
	Counts   RectificationCounts `json:"counts"`
	Turn     bool                `json:"turn,omitempty"`     // what was asked for before is finished
	Finished bool                `json:"finished,omitempty"` // the new values are gone from the request
	Failure  string              `json:"failure,omitempty"`  // of one that is finished
}

// work does a slice of one rectification.
func (w *rectifier) work(ctx context.Context, s *request.Slice) (request.Outcome, error) {
	var pos progress
	if err := s.Load(&pos); err != nil {
		return request.Outcome{}, err
	}
	if !pos.Finished {
		done, err := w.slice(ctx, s, &pos)
		if err != nil && !fault.Permanent(err) || err == nil && !done {
			return request.Outcome{}, err
		}
		if err := w.finish(ctx, s, &pos, err); err != nil {
			return request.Outcome{}, err
		}
	}
	if pos.Failure != "" {
		return request.Outcome{}, fault.New(fault.Conflict, "%s", pos.Failure)
	}
	return request.Outcome{Done: true, Result: pos.Counts}, nil
}

// slice goes on with the distinct_ids of the person; done is false when the time is
// over.
func (w *rectifier) slice(ctx context.Context, s *request.Slice, pos *progress) (done bool, err error) {
	job := &rectifyJob{rectifier: w, slice: s, pos: pos}
	if job.params, err = readParams(s.Request); err != nil {
		return false, err
	}
	part, err := request.ReadPart(ctx, w.db, s.Request, 0)
	if err != nil {
		return false, err
	}
	if len(part.IDs) == 0 { // erased since
		return true, nil
	}
	job.named = part.Keys[0]
	for {
		grown, err := w.cluster(ctx, s.Project, job.named, pos)
		if err != nil {
			return false, err
		}
		if !grown && pos.Next == len(pos.Members) {
			return true, nil
		}
		if mine, err := job.turn(ctx); err != nil || !mine {
			return false, err
		}
		for pos.Next < len(pos.Members) {
			if done, err := job.member(ctx, pos.Members[pos.Next]); err != nil || !done || !s.Time() {
				return false, err
			}
		}
	}
}

// cluster adds to the members who has become one with the person, and reports
// whether there are any.
func (w *rectifier) cluster(ctx context.Context, project string, named person.Key, pos *progress) (grown bool, err error) {
	get := func(refs []*firestore.DocumentRef) ([]*firestore.DocumentSnapshot, error) {
		return w.db.GetAll(ctx, refs)
	}
	found, err := person.Cluster(get, w.db, project, named)
	if err != nil {
		return false, err
	}
	if len(pos.Members) == 0 { // it is there also when nobody knows it
		pos.Members, grown = []person.Key{named}, true
	}
	for _, m := range found {
		if !slices.Contains(pos.Members, m.Key) {
			pos.Members, grown = append(pos.Members, m.Key), true
		}
	}
	return grown, nil
}

// finish takes the new values out of the request, whatever came of it; the names
// stay. In the position it notes what came of it: a worker that is killed before it
// could say so finds it there.
func (w *rectifier) finish(ctx context.Context, s *request.Slice, pos *progress, failure error) error {
	pos.Finished = true
	var f *fault.Error
	if errors.As(failure, &f) {
		pos.Failure = f.Detail
	} else if pos.Unfit > 0 {
		pos.Failure = fmt.Sprintf("%d events have no room for the new properties and stayed as they were; all others were changed", pos.Unfit)
	}
	at, err := json.Marshal(pos)
	if err != nil {
		return fmt.Errorf("write the position of a rectification: %w", err)
	}
	_, err = request.Ref(w.db, s.Project, s.ID).Update(ctx, []firestore.Update{
		{Path: "private", Value: firestore.Delete}, {Path: "position", Value: string(at)},
	})
	if err != nil {
		return fmt.Errorf("clear the new values of a rectification: %w", err)
	}
	return nil
}
