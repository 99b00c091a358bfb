package local

// This file is for tests, of any package.

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"cloud.google.com/go/firestore"
	"golang.org/x/sync/errgroup"

	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/project"
)

// Fill stores a person of so many days, with chunks of so many events each, without
// the way through ingest and store. The days begin with 1 January 2025.
func Fill(ctx context.Context, db *firestore.Client, p project.Project, id string, days, chunks, events int) error {
	first := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	key := person.MakeKey(p.Secret, id)
	if _, err := person.Ref(db, p.ID, key).Set(ctx, person.Doc{DistinctID: id, FirstSeen: first}); err != nil {
		return fmt.Errorf("fill a person: %w", err)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for day := range days {
		g.Go(func() error {
			return db.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
				for c := range chunks {
					some := make([]event.Event, events)
					for i := range some {
						n := c*events + i
						some[i] = event.Event{Name: "Seen", DistinctID: id, InsertID: strconv.Itoa(n), Received: 1,
							Time: event.Millis(first.AddDate(0, 0, day).UnixMilli() + int64(n)), Properties: `{"url":"https://example.com/` + strconv.Itoa(n*7919) + `"}`}
					}
					for _, built := range chunk.Build(p.ID, some) {
						if err := tx.Set(chunk.Ref(db, p.ID, key, built.ID), built.Doc); err != nil {
							return err
						}
					}
				}
				return nil
			})
		})
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("fill a person: %w", err)
	}
	return nil
}
