package opendsr

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"time"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/request"
	"github.com/lethe-analytics/lethe/shared/web"
)

// CompleteWithin is how long a request is expected to take at most. The law gives a
// month (GDPR Art. 12(3)); the controller needs most of it.
const CompleteWithin = 7 * 24 * time.Hour

// Created is the answer to a request that was taken.
type Created struct {
	Controller string    `json:"controller_id"` // the customer's project
	Expected   time.Time `json:"expected_completion_time"`
	Received   time.Time `json:"received_time"`
	Encoded    string    `json:"encoded_request"` // base64 of the body
	ID         string    `json:"subject_request_id"`
}

// Status is how far a request is. Callback is set where it is sent to one.
type Status struct {
	Controller string                       `json:"controller_id"`
	Expected   time.Time                    `json:"expected_completion_time"`
	ID         string                       `json:"subject_request_id"`
	Status     string                       `json:"request_status"`
	Version    string                       `json:"api_version"`
	ResultsURL string                       `json:"results_url,omitempty"`
	Results    *int                         `json:"results_count,omitempty"`
	Callback   string                       `json:"status_callback_url,omitempty"`
	Extensions map[string]map[string]string `json:"extensions,omitempty"`
}

// CancelTaken is the answer to a request that was cancelled.
type CancelTaken struct {
	Controller string    `json:"controller_id"`
	ID         string    `json:"subject_request_id"`
	Received   time.Time `json:"received_time"`
	Version    string    `json:"api_version"`
}

// statuses are ours in OpenDSR's words, which know no failure: that is told as
// cancelled, with the reason in an extension. What waits for somebody to confirm who is
// meant is pending, which an extension tells too.
var statuses = map[request.Status]string{
	request.Queued: "pending", request.Running: "in_progress", request.NeedsConfirmation: "pending", request.Done: "completed",
	request.Cancelled: "cancelled", request.Failed: "cancelled",
}

// newStatus says how far a request was in a state.
func newStatus(c Config, r *request.Request, state request.Status, version string) Status {
	a := Status{Controller: r.Project, Expected: r.Created.Add(CompleteWithin).UTC(), ID: r.ID, Status: statuses[state], Version: version}
	if state == request.Done && r.Kind == request.Export && !r.Void {
		a.ResultsURL, a.Results = c.PublicURL+"/v1/exports/"+r.ID, &r.Persons
	}
	switch {
	case (state == request.Failed || state == request.Cancelled) && r.Failure != "":
		a.Extensions = map[string]map[string]string{c.Domain: {"failure": r.Failure}}
	case state == request.NeedsConfirmation:
		a.Extensions = map[string]map[string]string{c.Domain: {"status": string(state)}}
	}
	return a
}

// create answers POST /requests.
func (s *server) create(ctx context.Context, caller *access.Call, w http.ResponseWriter, r *http.Request) error {
	raw, err := web.ReadBody(w, r, maxBody)
	if err != nil {
		return err
	}
	b, err := parse(raw, s.config.AllowLoopback)
	if err != nil {
		return err
	}
	secret, err := s.secret(ctx, caller.Project)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(raw) // makes another body another request, of the same id
	n := request.New{
		Kind: kinds[b.Type], Origin: request.OpenDSR, Actor: caller.KeyHash, ID: b.ID, IdempotencyKey: hex.EncodeToString(sum[:]),
		Extra: extra{Version: version(r), Callbacks: b.Callbacks},
	}
	n.IDs, n.Find = b.persons()
	if n.Kind == request.Export {
		n.Params = map[string]string{"format": "ndjson"}
	} else {
		n.Params, n.Whole = map[string]string{}, true
	}
	made, err := request.Create(ctx, s.db, project.Project{ID: caller.Project, Secret: secret}, n)
	if fault.Of(err) == fault.Conflict {
		return fault.InField("subject_request_id", "was used for another request")
	}
	if err != nil {
		return err
	}
	caller.Object(made.ID)
	caller.AboutIDs(secret, n.IDs)
	pubs := s.publishers[made.Kind]
	if err := pubs.Tell(ctx, s.db, made); err != nil {
		return err
	}
	if err := pubs.Publish(ctx, made); err != nil {
		return err
	}
	writeJSON(w, http.StatusCreated, Created{
		Controller: made.Project, Expected: made.Created.Add(CompleteWithin).UTC(), Received: made.Created.UTC(),
		Encoded: base64.StdEncoding.EncodeToString(raw), ID: made.ID,
	})
	return nil
}

// get finds a request that came by OpenDSR. Others have their own interface.
func (s *server) get(ctx context.Context, caller *access.Call, r *http.Request) (*request.Request, error) {
	found, err := request.Get(ctx, s.db, caller.Project, r.PathValue("id"), "")
	if err != nil {
		return nil, err
	}
	if found.Origin != request.OpenDSR {
		return nil, fault.New(fault.NotFound, "the project has no such request")
	}
	return found, nil
}

// status answers GET /requests/{id}.
func (s *server) status(ctx context.Context, caller *access.Call, w http.ResponseWriter, r *http.Request) error {
	found, err := s.get(ctx, caller, r)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, newStatus(s.config, found, found.Status, version(r)))
	return nil
}

// cancel answers DELETE /requests/{id}.
func (s *server) cancel(ctx context.Context, caller *access.Call, w http.ResponseWriter, r *http.Request) error {
	found, err := s.get(ctx, caller, r)
	if err != nil {
		return err
	}
	done, err := request.Cancel(ctx, s.db, found.Project, found.ID, found.Kind)
	if err != nil {
		return err
	}
	if err := s.publishers[done.Kind].Tell(ctx, s.db, done); err != nil {
		return err
	}
	writeJSON(w, http.StatusAccepted, CancelTaken{Controller: done.Project, ID: done.ID, Received: done.Finished.UTC(), Version: version(r)})
	return nil
}

// supported is an identity that requests may name.
type supported struct {
	Type   string `json:"identity_type"`
	Format string `json:"identity_format"`
}

// discovery answers GET /discovery.
func (s *server) discovery(w http.ResponseWriter, _ *http.Request) error {
	var identities []supported
	for _, t := range request.IdentityTypes {
		for _, f := range request.IdentityFormats {
			identities = append(identities, supported{t, f})
		}
	}
	writeJSON(w, http.StatusOK, struct {
		Version     string      `json:"api_version"`
		Identities  []supported `json:"supported_identities"`
		Types       []string    `json:"supported_subject_request_types"`
		Certificate string      `json:"processor_certificate"`
	}{"2.0", identities, types, s.config.PublicURL + "/cert.pem"})
	return nil
}

// certificate answers GET /cert.pem.
func (s *server) certificate(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/x-pem-file")
	_, err := w.Write(s.signer.cert)
	return err
}
