package report

import (
	"context"
	"fmt"
	"iter"
	"time"

	"google.golang.org/api/iterator"

	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/person"
)

// personDays are the days of all persons whose data may be processed: of those
// who are restricted it is only kept (GDPR Art. 18(2)). Whoever is restricted is
// asked anew by every report, so that lifting it brings the person back at once.
func (s *server) personDays(ctx context.Context, project, from, to string) iter.Seq2[*chunk.PersonDay, error] {
	return func(yield func(*chunk.PersonDay, error) bool) {
		restricted, err := s.restricted(ctx, project)
		if err != nil {
			yield(nil, err)
			return
		}
		for d, err := range chunk.ProjectDays(ctx, s.db, project, from, to) {
			if err == nil && restricted[d.Person] {
				continue
			}
			if !yield(d, err) {
				return
			}
		}
	}
}

// restricted finds the persons of a project who are restricted.
func (s *server) restricted(ctx context.Context, project string) (map[person.Key]bool, error) {
	docs := s.db.Collection("projects/"+project+"/people").
		Where("restriction.since", ">", time.Time{}).Select().Documents(ctx)
	defer docs.Stop()
	keys := map[person.Key]bool{}
	for {
		snap, err := docs.Next()
		if err == iterator.Done {
			return keys, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read who is restricted: %w", err)
		}
		keys[person.Key(snap.Ref.ID)] = true
	}
}
