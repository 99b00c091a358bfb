package local

// This file is for tests, of any package.

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/web"
)

// AddProject makes another customer's project beside the tenant's.
func (n *Tenant) AddProject(t testing.TB, id string) project.Project {
	t.Helper()
	p, err := project.Create(t.Context(), n.Databases, project.Project{ID: id, DPA: n.Project.DPA})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Store writes events of any persons of a project, as one batch of the store
// function would.
func (n *Tenant) Store(t testing.TB, p project.Project, events ...event.Event) {
	t.Helper()
	byPerson := map[string][]event.Event{}
	for _, e := range events {
		byPerson[e.DistinctID] = append(byPerson[e.DistinctID], e)
	}
	for id, list := range byPerson {
		key := person.MakeKey(p.Secret, id)
		for _, c := range chunk.Build(p.ID, list) {
			if _, err := chunk.Ref(n.Default, p.ID, key, c.ID).Set(t.Context(), c.Doc); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Answered expects a JSON answer.
func Answered(t testing.TB, rec *httptest.ResponseRecorder, into any) {
	t.Helper()
	if rec.Code != http.StatusOK || rec.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	if err := json.Unmarshal(rec.Body.Bytes(), into); err != nil {
		t.Fatal(err)
	}
}

// Refused expects a problem of a status.
func Refused(t testing.TB, rec *httptest.ResponseRecorder, status int) web.Problem {
	t.Helper()
	var p web.Problem
	if err := json.Unmarshal(rec.Body.Bytes(), &p); err != nil {
		t.Fatalf("%d %s: %v", rec.Code, rec.Body, err)
	}
	if rec.Code != status || p.Status != status || rec.Header().Get("Content-Type") != "application/problem+json" || p.RequestID == "" {
		t.Errorf("want %d, got %d %v %s", status, rec.Code, rec.Header(), rec.Body)
	}
	return p
}
