package erase

import (
	"context"
	"net/http"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/mixpanel"
	"github.com/lethe-analytics/lethe/shared/request"
)

// The endpoints of Mixpanel's GDPR API v3, which has errors of its own form
// (https://developer.mixpanel.com/reference/gdpr-api).

// createMixpanel answers POST /api/app/data-deletions/v3.0.
func (s *server) createMixpanel(ctx context.Context, caller *access.Call, w http.ResponseWriter, r *http.Request) error {
	asked, err := mixpanel.ReadTask(w, r, maxBody)
	if err != nil {
		return err
	}
	made, err := s.ask(ctx, caller, request.New{Origin: request.Mixpanel, IDs: asked.DistinctIDs, Params: erasure{}, Extra: asked.Extra(), Whole: true})
	if err != nil {
		return err
	}
	mixpanel.WriteCreated(w, made.ID)
	return nil
}

// getMixpanel answers GET /api/app/data-deletions/v3.0/{id}.
func (s *server) getMixpanel(ctx context.Context, caller *access.Call, w http.ResponseWriter, r *http.Request) error {
	task, err := mixpanel.Read(ctx, s.db, caller.Project, r.PathValue("id"), request.Deletion)
	if err != nil {
		return err
	}
	caller.Persons(len(task.DistinctIDs))
	mixpanel.WriteResults(w, task)
	return nil
}

// cancelMixpanel answers DELETE /api/app/data-deletions/v3.0/{id}.
func (s *server) cancelMixpanel(ctx context.Context, caller *access.Call, w http.ResponseWriter, r *http.Request) error {
	if _, err := request.Cancel(ctx, s.db, caller.Project, r.PathValue("id"), request.Deletion); err != nil {
		return mixpanel.CancelFault(err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
