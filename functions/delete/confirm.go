package erase

import (
	"context"
	"net/http"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/request"
)

// confirm answers POST /v1/deletions/{id}/confirm: which of the persons at whom the deletion
// hints are meant.
func (s *server) confirm(ctx context.Context, caller *access.Call, w http.ResponseWriter, r *http.Request) error {
	return s.decisions().Confirm(ctx, caller, w, r)
}

// refuse answers POST /v1/deletions/{id}/refuse: nobody is.
func (s *server) refuse(ctx context.Context, caller *access.Call, w http.ResponseWriter, r *http.Request) error {
	return s.decisions().Refuse(ctx, caller, w, r)
}

func (s *server) decisions() *request.Decisions {
	describe := func(_ context.Context, _ *access.Call, r *request.Request) (any, error) { return newDeletion(r) }
	return &request.Decisions{DB: s.db, Publishers: s.pubs, Kind: request.Deletion, Describe: describe}
}
