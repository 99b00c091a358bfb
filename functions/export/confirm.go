package export

import (
	"context"
	"net/http"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/request"
)

// confirm answers POST /v1/exports/{id}/confirm: which of the persons at whom the export
// hints are meant.
func (s *server) confirm(ctx context.Context, caller *access.Call, w http.ResponseWriter, r *http.Request) error {
	return s.decisions().Confirm(ctx, caller, w, r)
}

// refuse answers POST /v1/exports/{id}/refuse: nobody is.
func (s *server) refuse(ctx context.Context, caller *access.Call, w http.ResponseWriter, r *http.Request) error {
	return s.decisions().Refuse(ctx, caller, w, r)
}

func (s *server) decisions() *request.Decisions {
	describe := func(ctx context.Context, caller *access.Call, r *request.Request) (any, error) {
		return s.newExport(ctx, caller, r)
	}
	return &request.Decisions{DB: s.db, Publishers: s.pubs, Kind: request.Export, Describe: describe}
}
