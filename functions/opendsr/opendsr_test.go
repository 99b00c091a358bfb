package opendsr_test

import (
	"context"
	"encoding/base64"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/functions/opendsr"
	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/request"
)

// What the processor can do is public, and its certificate verifies its answers.
func TestDiscovery(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var d struct {
		Version     string              `json:"api_version"`
		Identities  []map[string]string `json:"supported_identities"`
		Types       []string            `json:"supported_subject_request_types"`
		Certificate string              `json:"processor_certificate"`
	}
	w.answered(w.do("GET", "/discovery", "", ""), http.StatusOK, &d)
	if d.Version != "2.0" || len(d.Identities) != 44 || strings.Join(d.Types, " ") != "access portability erasure" || d.Certificate != "https://api.example.com/cert.pem" {
		t.Errorf("%+v", d)
	}
	cert, err := os.ReadFile(w.config.CertFile)
	if err != nil {
		t.Fatal(err)
	}
	rec := w.do("GET", "/cert.pem", "", "")
	if rec.Code != http.StatusOK || rec.Body.String() != string(cert) || rec.Header().Get("Content-Type") != "application/x-pem-file" {
		t.Errorf("%d %v %s", rec.Code, rec.Header(), rec.Body)
	}
}

// A request of each type, under both names, from pending to completed.
func TestRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ids := map[string]string{}
	for _, path := range []string{"/requests", "/opengdpr_requests"} {
		for _, kind := range []string{"access", "portability", "erasure"} {
			id := newID()
			body := ask(id, map[string]any{"subject_request_type": kind, "regulation": "ccpa"})
			var a opendsr.Created
			w.answered(w.do("POST", path, body), http.StatusCreated, &a)
			raw, err := base64.StdEncoding.DecodeString(a.Encoded)
			if err != nil || string(raw) != body || a.ID != id || a.Controller != "app" || a.Expected.Sub(a.Received) != opendsr.CompleteWithin || time.Since(a.Received) > time.Minute {
				t.Errorf("%+v %v", a, err)
			}
			var s opendsr.Status
			w.answered(w.do("GET", path+"/"+id, ""), http.StatusOK, &s)
			if s.Status != "pending" || s.Version != map[string]string{"/requests": "2.0", "/opengdpr_requests": "1.0"}[path] ||
				s.ID != id || s.Controller != "app" || !s.Expected.Equal(a.Expected) || s.ResultsURL != "" || s.Results != nil {
				t.Errorf("%+v", s)
			}
			ids[id] = kind
		}
	}
	w.work(func(ctx context.Context, s *request.Slice) (request.Outcome, error) {
		want := request.Request{Kind: request.Export, Params: `{"format":"ndjson"}`}
		if ids[s.ID] == "erasure" {
			want = request.Request{Kind: request.Deletion, Params: `{}`}
		}
		if s.Kind != want.Kind || s.Params != want.Params || s.Origin != request.OpenDSR || s.Persons != 1 || s.Find != "" || strings.Contains(s.Extra, "ann") {
			t.Errorf("%+v", s.Request)
		}
		return request.Outcome{Done: true}, nil
	})
	for id, kind := range ids {
		s := w.until(id, "completed")
		switch {
		case kind == "erasure":
			if s.ResultsURL != "" || s.Results != nil {
				t.Errorf("%+v", s)
			}
		case s.ResultsURL != "https://api.example.com/v1/exports/"+id || s.Results == nil || *s.Results != 1:
			t.Errorf("%+v", s)
		}
		w.refused(w.do("DELETE", "/requests/"+id, ""), http.StatusBadRequest)
	}
}

// Whom the identities mean is found out by the worker; what they were is forgotten.
func TestIdentities(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.work(func(ctx context.Context, s *request.Slice) (request.Outcome, error) {
		done, err := s.Resolve(ctx, w.Project)
		return request.Outcome{Done: done}, err
	})
	id, cancelled := newID(), newID()
	many := []any{identity("controller_customer_id", "ann", "raw"), identity("email", "someone@example.com", "raw"),
		identity("ios_vendor_id", strings.Repeat("AB", 32), "sha256")}
	w.answered(w.do("POST", "/requests", ask(id, map[string]any{"subject_request_type": "access", "subject_identities": many})), http.StatusCreated, &opendsr.Created{})
	if s := w.until(id, "completed"); *s.Results != 1 {
		t.Errorf("%+v", s)
	}
	made, err := request.Create(t.Context(), w.Default, w.Project, request.New{Kind: request.Deletion, Origin: request.OpenDSR, ID: cancelled,
		Find: []request.Identity{{Type: "email", Value: "someone@example.com", Format: "raw"}}, Extra: map[string]any{}})
	if err != nil || made.Find == "" {
		t.Fatal(err)
	}
	w.answered(w.do("DELETE", "/requests/"+cancelled, ""), http.StatusAccepted, &opendsr.CancelTaken{})
	for _, id := range []string{id, cancelled} {
		if r, err := request.Get(t.Context(), w.Default, "app", id, ""); err != nil || r.Find != "" {
			t.Errorf("%+v %v", r, err)
		}
	}
}

// The same request again is the same; another one of the same id is refused.
func TestSameID(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := newID()
	first := w.do("POST", "/requests", ask(id, nil))
	w.answered(first, http.StatusCreated, &opendsr.Created{})
	if again := w.do("POST", "/requests", ask(id, nil)); again.Code != http.StatusCreated || again.Body.String() != first.Body.String() {
		t.Errorf("%d %s", again.Code, again.Body)
	}
	for name, change := range map[string]map[string]any{
		"type": {"subject_request_type": "access"}, "time": {"submitted_time": "2026-01-02T03:04:06Z"},
		"person": {"subject_identities": []any{identity("controller_customer_id", "bob", "raw")}},
	} {
		if e := w.refused(w.do("POST", "/requests", ask(id, change)), http.StatusBadRequest); e.Error.Errors[0].Domain != "subject_request_id" {
			t.Errorf("%s: %+v", name, e)
		}
	}
	// Another controller may use the same id.
	w.AddProject(t, "other")
	other := w.newKey("other", project.Privacy)
	w.answered(w.do("POST", "/requests", ask(id, nil), other), http.StatusCreated, &opendsr.Created{})
}

// A request is cancelled as long as it is pending, and its work is not begun.
func TestCancel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := newID()
	w.answered(w.do("POST", "/opengdpr_requests", ask(id, nil)), http.StatusCreated, &opendsr.Created{})
	var first, again opendsr.CancelTaken
	w.answered(w.do("DELETE", "/opengdpr_requests/"+id, ""), http.StatusAccepted, &first)
	w.answered(w.do("DELETE", "/opengdpr_requests/"+id, ""), http.StatusAccepted, &again)
	if first != again || first.ID != id || first.Controller != "app" || first.Version != "1.0" || time.Since(first.Received) > time.Minute {
		t.Errorf("%+v, again %+v", first, again)
	}
	w.until(id, "cancelled")
	next := newID()
	w.work(func(_ context.Context, s *request.Slice) (request.Outcome, error) {
		if s.ID == id {
			t.Error("begun, though cancelled")
		}
		return request.Outcome{}, fault.New(fault.Conflict, "it cannot be")
	})
	w.answered(w.do("POST", "/requests", ask(next, nil)), http.StatusCreated, &opendsr.Created{})
	if s := w.until(next, "cancelled"); s.Extensions[domain]["failure"] != "it cannot be" {
		t.Errorf("%+v", s)
	}
}

// Nobody reaches another project's requests, or those of another interface.
func TestRights(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := newID()
	w.answered(w.do("POST", "/requests", ask(id, nil)), http.StatusCreated, &opendsr.Created{})
	api, err := request.Create(t.Context(), w.Default, w.Project, request.New{Kind: request.Deletion, Origin: request.API, IDs: []string{"bob"}})
	if err != nil {
		t.Fatal(err)
	}
	w.AddProject(t, "other")
	other, reader := w.newKey("other", project.Privacy), w.newKey("app", project.Reader)
	for _, path := range []string{"/requests", "/opengdpr_requests"} {
		for _, method := range []string{"GET", "DELETE"} {
			w.refused(w.do(method, path+"/"+id, "", other), http.StatusNotFound)
			w.refused(w.do(method, path+"/"+api.ID, ""), http.StatusNotFound)
			w.refused(w.do(method, path+"/"+newID(), ""), http.StatusNotFound)
			w.refused(w.do(method, path+"/not-an-id", ""), http.StatusNotFound)
			w.refused(w.do(method, path+"/"+id, "", reader), http.StatusForbidden)
			w.refused(w.do(method, path+"/"+id, "", ""), http.StatusUnauthorized)
		}
		w.refused(w.do("POST", path, ask(newID(), nil), reader), http.StatusForbidden)
		w.refused(w.do("POST", path, ask(newID(), nil), "unknown"), http.StatusUnauthorized)
		w.refused(w.do("PUT", path+"/"+id, ""), http.StatusMethodNotAllowed)
		w.refused(w.do("GET", path, ""), http.StatusMethodNotAllowed)
	}
	w.refused(w.do("GET", "/elsewhere", ""), http.StatusNotFound)
	w.refused(w.do("POST", "/discovery", ""), http.StatusMethodNotAllowed)
}

// Where Firestore does not answer, that is told, signed.
func TestOutage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	down := &local.Firestore{Host: l.Addr().String()}
	client := down.Open(t, w.Config.Project, "(default)")
	w.config.Timeout = time.Second
	w.handler = opendsr.New(w.config, access.NewGuard(client, w.OpenLog(t)), w.signer, client, w.exports, w.deletions)
	if rec := w.do("POST", "/requests", ask(newID(), nil)); rec.Header().Get("Retry-After") == "" {
		t.Error(rec.Header())
	} else {
		w.refused(rec, http.StatusServiceUnavailable)
	}
}
