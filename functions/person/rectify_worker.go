package person

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/profile"
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
//	whom it covers ─▶ its turn ─▶ for each identity: amend ─▶ operations ─▶ chunks ─▶ verify
//	  ─▶ those who came meanwhile, until there are none ─▶ the profile ─▶ finish
type rectifier struct {
	db *firestore.Client
}

// stage is what is to be done next for an identity.
type stage string

const (
	stageAmend  stage = ""       // amendments on its document: from here on nothing is stored unamended
	stageOps    stage = "ops"    // profile operations
	stageChunks stage = "chunks" // stored events
	stageVerify stage = "verify" // all of them again, until there is nothing left to change
)

// progress is where a slice begins: the position of the request. It does not grow with the
// identities of the person.
type progress struct {
	Top      person.Key          `json:"top,omitempty"`    // whose identities are covered: the person, as of the asking
	Whole    bool                `json:"whole,omitempty"`  // it covers them all, and not Top alone
	At       time.Time           `json:"at,omitzero"`      // of the amendments
	Pass     int                 `json:"pass,omitempty"`   // over the identities
	Found    bool                `json:"found,omitempty"`  // this pass has found an identity that those before had not
	Behind   person.Place        `json:"behind,omitempty"` // this pass has done all up to there
	Member   person.Key          `json:"member,omitempty"` // that is in hand
	Here     person.Place        `json:"here,omitempty"`   // where it stands
	Stage    stage               `json:"stage,omitempty"`
	Cursor   string              `json:"cursor,omitempty"` // among the chunks
	Dirty    bool                `json:"dirty,omitempty"`  // this pass of the verification found something
	Unfit    int                 `json:"unfit,omitempty"`  // events without room
	Counts   RectificationCounts `json:"counts"`
	TurnOf   person.Key          `json:"turn_of,omitempty"` // whose identities' other requests are waited for
	TurnAt   person.Place        `json:"turn_at,omitempty"`
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

// slice goes on with the identities of the person; done is false when the time is over.
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
	job.named, job.saved = part.Keys[0], time.Now()
	if done, err = job.goOn(ctx); err != nil || !done {
		return false, errors.Join(err, s.Save(ctx, pos))
	}
	return true, nil
}

// goOn does what is left to do; done is false when the time is over.
func (j *rectifyJob) goOn(ctx context.Context) (done bool, err error) {
	if err := j.begin(ctx); err != nil {
		return false, err
	}
	if mine, err := j.awaitTurn(ctx); err != nil || !mine {
		return false, err
	}
	if done, err := j.rectifyMembers(ctx); err != nil || !done {
		return false, err
	}
	return true, j.addToProfile(ctx)
}

// finish takes the new values out of the request, whatever came of it; the names
// stay. In the position it notes what came of it: a worker that is killed before it
// could say so finds it there.
func (w *rectifier) finish(ctx context.Context, s *request.Slice, pos *progress, failure error) error {
	if pos.Top != "" { // operations have changed, though it may have failed
		n, err := profile.Freshen(ctx, w.db, s.Project, pos.Top)
		if err != nil {
			return err
		}
		pos.Counts.Profile.Properties += n
	}
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
