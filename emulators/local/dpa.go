package local

import (
	"context"
	"time"

	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/project"
)

// PublishDPA publishes the data processing agreement of a local system, and is what a
// project that has accepted it says.
func PublishDPA(ctx context.Context, db gcp.Databases) (project.Accepted, error) {
	d := project.DPA{
		Version: "1", URL: "https://example.com/dpa/1",
		TextSHA256:  project.Hash("The agreement of a local system, with nobody."),
		EffectiveAt: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	return project.Accepted{Version: d.Version, EffectiveAt: d.EffectiveAt}, project.PublishDPA(ctx, db, d)
}
