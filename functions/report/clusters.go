package report

import (
	"context"
	"fmt"

	"google.golang.org/api/iterator"

	"github.com/lethe-analytics/lethe/shared/person"
)

// clusters numbers the persons of several identities, so that each is counted once:
// provisional links count as well. It reads one document for each identity that is
// linked, however few days the report is of.
func (s *server) clusters(ctx context.Context, project string, p *people) error {
	links, err := s.readLinks(ctx, project)
	if err != nil {
		return err
	}
	return p.unite(links)
}

// readLinks reads to which other each linked identity points.
func (s *server) readLinks(ctx context.Context, project string) (map[identityID]identityID, error) {
	docs := s.db.Collection("projects/"+project+"/people").Where("link.to", ">", "").Select("link.to").Documents(ctx)
	defer docs.Stop()
	links := map[identityID]identityID{}
	for {
		snap, err := docs.Next()
		if err == iterator.Done {
			return links, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read linked identities: %w", err)
		}
		if len(links) >= maxPersons {
			return nil, tooMany("%d persons", maxPersons)
		}
		to, err := snap.DataAt("link.to")
		if err != nil {
			return nil, fmt.Errorf("decode a link: %w", err)
		}
		text, _ := to.(string)
		id, err := idOf(person.Key(snap.Ref.ID))
		if err != nil {
			return nil, err
		}
		if links[id], err = idOf(person.Key(text)); err != nil {
			return nil, err
		}
	}
}
