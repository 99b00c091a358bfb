package report

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

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

// parallelMembers is how many restricted persons' identities are read at a time.
const parallelMembers = 8

// restricted finds the identities of the persons of a project who are restricted. It
// follows provisional links as well: here they can only leave something out.
func (s *server) restricted(ctx context.Context, project string) (map[person.Key]bool, error) {
	docs, err := s.db.Collection("projects/"+project+"/people").
		Where("restriction.since", ">", time.Time{}).Select("joined").Documents(ctx).GetAll()
	if err != nil {
		return nil, fmt.Errorf("read who is restricted: %w", err)
	}
	var mu sync.Mutex
	keys := map[person.Key]bool{}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelMembers)
	for _, snap := range docs {
		g.Go(func() error {
			of := person.Member{Key: person.Key(snap.Ref.ID), Snap: snap}
			if err := snap.DataTo(&of.Doc); err != nil {
				return fmt.Errorf("decode person: %w", err)
			}
			for m, err := range person.Members(gctx, s.db, project, of, true) {
				if err != nil {
					return err
				}
				mu.Lock()
				keys[m.Key] = true
				mu.Unlock()
			}
			return nil
		})
	}
	return keys, g.Wait()
}
