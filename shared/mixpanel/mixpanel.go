// Package mixpanel is the form of Mixpanel's GDPR API v3, which brokers and scripts
// speak already, around our own requests
// (https://developer.mixpanel.com/reference/gdpr-api).
//
//	/api/app/data-retrievals/v3.0 ─▶ functions/export ─┐
//	/api/app/data-deletions/v3.0  ─▶ functions/delete ─┴─▶ package request
//
// The project is that of the API key; the project token in the query is not needed.
// A repetition is answered with the task that it repeats, where Mixpanel answers
// 409, which brokers record as a failure.
package mixpanel

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/request"
	"github.com/lethe-analytics/lethe/shared/web"
)

// Task is the body of a request.
type Task struct {
	DistinctIDs    []string `json:"distinct_ids"`
	ComplianceType string   `json:"compliance_type"` // GDPR (also if absent) or CCPA
	DisclosureType string   `json:"disclosure_type"` // of a retrieval: Data (also if absent), Categories, Sources
}

// Extra is what is kept of it for the answers.
type Extra struct {
	Compliance string `json:"compliance"`
	Disclosure string `json:"disclosure,omitempty"`
}

// Extra is what to keep of the task.
func (t *Task) Extra() Extra { return Extra{t.ComplianceType, t.DisclosureType} }

// ReadTask reads and checks the body of a request. Fields that are not known are
// let through, as Mixpanel does.
func ReadTask(w http.ResponseWriter, r *http.Request, limit int64) (*Task, error) {
	b, err := web.ReadBody(w, r, limit)
	if err != nil {
		return nil, err
	}
	t := &Task{}
	if err := json.Unmarshal(b, t); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "the body is not valid JSON of the right form")
	}
	if err := request.CheckIDs("distinct_ids", t.DistinctIDs); err != nil {
		return nil, err
	}
	if t.ComplianceType == "" {
		t.ComplianceType = "GDPR"
	}
	if !slices.Contains([]string{"GDPR", "CCPA"}, t.ComplianceType) {
		return nil, fault.InField("compliance_type", "must be GDPR or CCPA")
	}
	if !slices.Contains([]string{"", "Data", "Categories", "Sources"}, t.DisclosureType) {
		return nil, fault.InField("disclosure_type", "must be Data, Categories or Sources")
	}
	return t, nil
}

// statuses are Mixpanel's names.
var statuses = map[request.Status]string{
	request.Queued: "PENDING", request.Running: "STARTED", request.Done: "SUCCESS",
	request.Failed: "FAILURE", request.Cancelled: "REVOKED", request.NeedsConfirmation: "PENDING",
}

// Results is the state of a task.
type Results struct {
	TrackingID     string   `json:"tracking_id"`
	Status         string   `json:"status"`
	RequestingUser string   `json:"requesting_user"`
	ComplianceType string   `json:"compliance_type"`
	DisclosureType string   `json:"disclosure_type,omitempty"`
	ProjectID      string   `json:"project_id"`
	DateRequested  string   `json:"date_requested"`
	DistinctIDs    []string `json:"distinct_ids"` // less those who have been erased
}

// Retrieval is the state of a retrieval: the link under both of its names, empty
// until there is one.
type Retrieval struct {
	Results
	Result string `json:"result"`
	Link   string `json:"results"`
}

// Read reads a task, made by whichever interface.
func Read(ctx context.Context, db *firestore.Client, project, id string, kind request.Kind) (*Results, error) {
	r, err := request.Get(ctx, db, project, id, kind)
	if err != nil {
		return nil, err
	}
	extra := Extra{Compliance: "GDPR"}
	if r.Origin == request.Mixpanel {
		if err := json.Unmarshal([]byte(r.Extra), &extra); err != nil {
			return nil, fmt.Errorf("decode a task: %w", err)
		}
	}
	a := &Results{
		TrackingID: r.ID, Status: statuses[r.Status], RequestingUser: request.NewAnswer(r).By, ProjectID: project,
		ComplianceType: extra.Compliance, DisclosureType: extra.Disclosure, DateRequested: r.Created.UTC().Format(time.RFC3339), DistinctIDs: []string{},
	}
	for n, named := 0, 0; n < r.Parts && named < r.Persons; n++ { // a deletion has appended others
		part, err := request.ReadPart(ctx, db, r, n)
		if err != nil {
			return nil, err
		}
		named += len(part.IDs)
		for _, id := range part.IDs {
			if id != "" {
				a.DistinctIDs = append(a.DistinctIDs, id)
			}
		}
	}
	return a, nil
}

type answer struct {
	Status  string `json:"status"`
	Results any    `json:"results"`
}

// WriteResults answers with the state of a task.
func WriteResults(w http.ResponseWriter, results any) { web.WriteJSON(w, answer{"ok", results}) }

// WriteCreated answers 201 with the id of a task.
func WriteCreated(w http.ResponseWriter, id string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusCreated)
	WriteResults(w, map[string]string{"task_id": id})
}

// CancelFault turns the fault of a cancellation that came too late into the 405
// that Mixpanel answers.
func CancelFault(err error) error {
	if fault.Of(err) == fault.Conflict {
		return fault.Wrap(fault.Method, err, "the task has started and cannot be cancelled")
	}
	return err
}

// Route answers the errors of a route in Mixpanel's form.
func Route(r web.Route) web.Route {
	r.Handler = Handler(r.Handler)
	return r
}

// Handler answers the errors of a handler in Mixpanel's form.
func Handler(h web.Handler) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		err := h(w, r)
		if err == nil {
			return nil
		}
		detail, _ := web.Describe(err)
		web.SetRetryHeaders(w.Header(), fault.Of(err))
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(web.Status(err))
		web.WriteJSON(w, struct {
			Error  string `json:"error"`
			Status string `json:"status"`
		}{detail, "error"})
		return err // for the log; the answer is written
	}
}
