package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"cloud.google.com/go/firestore"
	"google.golang.org/api/iterator"

	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/request"
)

// EvidenceRequest is how a data-subject request was dealt with.
type EvidenceRequest struct {
	ID         string         `json:"id"`
	Kind       request.Kind   `json:"kind"`
	Origin     request.Origin `json:"origin"`
	Status     request.Status `json:"status"`
	Persons    int            `json:"persons"`
	Actor      string         `json:"actor"`
	CreatedAt  time.Time      `json:"created_at"`
	FinishedAt time.Time      `json:"finished_at,omitzero"`
	DueAt      time.Time      `json:"due_at"` // one month after it was made (GDPR Art. 12(3))
	Seconds    *float64       `json:"seconds,omitempty"`
	Late       bool           `json:"late"` // it took longer, or is not done and due
}

// Statistics sum the requests of a kind up.
type Statistics struct {
	Kind          request.Kind           `json:"kind"`
	Count         int                    `json:"count"`
	ByStatus      map[request.Status]int `json:"by_status"`
	Late          int                    `json:"late"`
	MedianSeconds *float64               `json:"median_seconds,omitempty"` // of those done
	MaxSeconds    *float64               `json:"max_seconds,omitempty"`
}

// month is one month later: the same day of the next month, or that month's last
// (Regulation (EEC, Euratom) No 1182/71, Art. 3(2)(c)).
func month(from time.Time) time.Time {
	to := from.AddDate(0, 1, 0)
	if to.Day() != from.Day() { // it has run into the month after
		to = to.AddDate(0, 0, -to.Day())
	}
	return to
}

func newEvidenceRequest(id string, r *request.Request, now time.Time) EvidenceRequest {
	a := EvidenceRequest{ID: id, Kind: r.Kind, Origin: r.Origin, Status: r.Status, Persons: r.Persons, Actor: r.Actor,
		CreatedAt: r.Created.UTC(), FinishedAt: r.Finished.UTC(), DueAt: month(r.Created.UTC())}
	switch {
	case r.Status == request.Done:
		took := r.Finished.Sub(r.Created).Seconds()
		a.Seconds, a.Late = &took, a.FinishedAt.After(a.DueAt)
	case r.Status != request.Cancelled: // a failed one still owes an answer
		a.Late = now.After(a.DueAt)
	}
	return a
}

// each reads the documents of a query.
func each(ctx context.Context, q firestore.Query, do func(*firestore.DocumentSnapshot) error) error {
	docs := q.Documents(ctx)
	defer docs.Stop()
	for {
		snap, err := docs.Next()
		if errors.Is(err, iterator.Done) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := do(snap); err != nil {
			return err
		}
	}
}

func (s *server) requestsOf(ctx context.Context, e *Evidence, p *project.Project) error {
	q := s.DB.Collection("projects/"+p.ID+"/"+request.Collection).OrderBy("created", firestore.Desc).Limit(maxEvidence+1).
		Select("kind", "origin", "status", "persons", "actor", "created", "finished")
	var list []EvidenceRequest
	err := each(ctx, q, func(snap *firestore.DocumentSnapshot) error {
		var r request.Request
		if err := snap.DataTo(&r); err != nil {
			return err
		}
		list = append(list, newEvidenceRequest(snap.Ref.ID, &r, e.GeneratedAt))
		return nil
	})
	if err != nil {
		return fmt.Errorf("read requests: %w", err)
	}
	e.Requests = cut(e, "requests", list)
	e.Statistics = statistics(e.Requests)
	return nil
}

func statistics(list []EvidenceRequest) []Statistics {
	all := []Statistics{}
	for _, kind := range []request.Kind{request.Export, request.Deletion, request.Rectification} {
		s := Statistics{Kind: kind, ByStatus: map[request.Status]int{}}
		var took []float64
		for _, r := range list {
			if r.Kind != kind {
				continue
			}
			s.Count++
			s.ByStatus[r.Status]++
			if r.Late {
				s.Late++
			}
			if r.Seconds != nil {
				took = append(took, *r.Seconds)
			}
		}
		if slices.Sort(took); len(took) > 0 {
			s.MedianSeconds, s.MaxSeconds = &took[len(took)/2], &took[len(took)-1]
		}
		all = append(all, s)
	}
	return all
}
