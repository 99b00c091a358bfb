package report

import (
	"context"
	"fmt"

	"google.golang.org/api/iterator"

	"github.com/lethe-analytics/lethe/shared/person"
)

// clusters numbers the persons of several distinct_ids, so that each is counted
// once. It reads one document for each distinct_id that has a head, however few
// days the report is of.
func (s *server) clusters(ctx context.Context, project string, p *people) error {
	docs := s.db.Collection("projects/"+project+"/people").Where("head", ">", "").Select("head").Documents(ctx)
	defer docs.Stop()
	for {
		snap, err := docs.Next()
		if err == iterator.Done {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read linked persons: %w", err)
		}
		var doc person.Doc
		if err := snap.DataTo(&doc); err != nil {
			return fmt.Errorf("decode person: %w", err)
		}
		if err := p.link(person.Key(snap.Ref.ID), doc.Head); err != nil {
			return err
		}
	}
}
