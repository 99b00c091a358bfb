package export

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/request"
	"github.com/lethe-analytics/lethe/shared/retention"
	"github.com/lethe-analytics/lethe/shared/web"
)

// Export is the answer about one export.
type Export struct {
	request.Answer
	Persons    int      `json:"persons"` // distinct_ids asked for
	Scope      string   `json:"scope,omitempty"`
	Properties []string `json:"properties,omitempty"`
	Events     []string `json:"events,omitempty"`
	From       string   `json:"from,omitempty"`
	To         string   `json:"to,omitempty"`
	Format     string   `json:"format"`
	Contents   *Result  `json:"contents,omitempty"` // once it is done
	// URL is a link to the archive, while there is one; it works until URLExpiresAt.
	URL          string    `json:"url,omitempty"`
	URLExpiresAt time.Time `json:"url_expires_at,omitzero"`
	// Gone says why a finished export has no archive any more.
	Gone string `json:"gone,omitempty"`
}

// Result says what is in an archive.
type Result struct {
	Events int   `json:"events"`
	Files  int   `json:"files"`
	Bytes  int64 `json:"bytes"` // of the archive
}

// Exports is the answer to GET /v1/exports: the newest first, without links.
type Exports struct {
	Exports    []*Export `json:"exports"`
	NextCursor string    `json:"next_cursor,omitempty"` // absent at the end
}

// newExport makes the answer with a link, if there is an archive.
func (s *server) newExport(ctx context.Context, caller *access.Call, r *request.Request) (*Export, error) {
	kept, err := retention.Read(ctx, s.db, r.Project, time.Now())
	if err != nil {
		return nil, err
	}
	e, err := describe(r, kept)
	if err != nil || r.Status != request.Done || e.Gone != "" {
		return e, err
	}
	expires := time.Now().Add(s.config.URLTTL).UTC().Truncate(time.Second)
	if gone := gone(r, kept).UTC().Truncate(time.Second); expires.After(gone) {
		expires = gone
	}
	if e.URL, err = s.signer.URL(archiveName(r), expires); err != nil {
		return nil, err
	}
	e.URLExpiresAt = expires
	slog.InfoContext(ctx, "link to an archive made", "project", r.Project, "request", r.ID, "by", caller.KeyHash, "expires", expires)
	return e, nil
}

// gone is when the archive of a finished export goes.
func gone(r *request.Request, kept retention.Doc) time.Time {
	return r.Finished.Add(time.Duration(kept.ArchiveDays()) * 24 * time.Hour)
}

func describe(r *request.Request, kept retention.Doc) (*Export, error) {
	p, err := readParams(r)
	if err != nil {
		return nil, err
	}
	e := &Export{Answer: request.NewAnswer(r), Persons: r.Persons, Scope: p.Scope, Properties: p.Properties, Events: p.Events, From: p.From, To: p.To, Format: p.Format}
	if r.Status == request.Running {
		e.Progress, err = how(r)
	}
	if r.Status != request.Done {
		return e, err
	}
	e.Contents = &Result{}
	if err := json.Unmarshal([]byte(r.Result), e.Contents); err != nil {
		return nil, fmt.Errorf("decode the result of an export: %w", err)
	}
	switch {
	case r.Void:
		e.Gone = "somebody in it has been erased"
	case !time.Now().Before(gone(r, kept)):
		e.Gone = fmt.Sprintf("archives are kept for %d days, and not longer than the project's retention", retention.ArchiveDays)
	}
	return e, nil
}

// how tells how far a running export is.
func how(r *request.Request) (*request.Progress, error) {
	pos := progress{}
	if err := json.Unmarshal([]byte(r.Position), &pos); err != nil {
		return nil, fmt.Errorf("decode the position of an export: %w", err)
	}
	p := &request.Progress{Stage: "reading", Events: pos.Contents.Events}
	if pos.Part >= r.Parts {
		p.Stage = "packing"
	}
	return p, nil
}

// get answers GET /v1/exports/{id}.
func (s *server) get(ctx context.Context, caller *access.Call, w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseQuery(r).Err(); err != nil {
		return err
	}
	found, err := request.Get(ctx, s.db, caller.Project, r.PathValue("id"), request.Export)
	if err != nil {
		return err
	}
	e, err := s.newExport(ctx, caller, found)
	if err != nil {
		return err
	}
	caller.Persons(found.Persons)
	if err := request.ShowHints(ctx, s.db, caller, found, &e.Answer); err != nil {
		return err
	}
	web.WriteJSON(w, e)
	return nil
}

// cancel answers DELETE /v1/exports/{id}.
func (s *server) cancel(ctx context.Context, caller *access.Call, w http.ResponseWriter, r *http.Request) error {
	cancelled, err := request.Cancel(ctx, s.db, caller.Project, r.PathValue("id"), request.Export)
	if err != nil {
		return err
	}
	e, err := describe(cancelled, retention.Doc{})
	if err != nil {
		return err
	}
	web.WriteJSON(w, e)
	return nil
}

// list answers GET /v1/exports.
func (s *server) list(ctx context.Context, caller *access.Call, w http.ResponseWriter, r *http.Request) error {
	status, cursor, err := request.ParseList(r)
	if err != nil {
		return err
	}
	page, next, err := request.List(ctx, s.db, caller.Project, request.Export, status, cursor)
	if err != nil {
		return err
	}
	kept, err := retention.Read(ctx, s.db, caller.Project, time.Now())
	if err != nil {
		return err
	}
	a := Exports{Exports: []*Export{}, NextCursor: next}
	for _, r := range page {
		e, err := describe(r, kept)
		if err != nil {
			return err
		}
		a.Exports = append(a.Exports, e)
	}
	caller.Count(len(page))
	web.WriteJSON(w, a)
	return nil
}
