package admin_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/functions/admin"
	"github.com/lethe-analytics/lethe/shared/access"
)

// A privacy officer makes a project, whose first key opens it for a week, and whose
// access log begins with that.
func TestCreateProject(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for _, c := range []struct {
		who, body string
		want      int
	}{
		{"sue@example.com", `{"id":"shop","name":"Shop"}`, 403},
		{"pat@example.com", `{"id":"Shop!","name":"Shop"}`, 400},
		{"pat@example.com", `{"id":"shop","name":""}`, 400},
		{"pat@example.com", `{"id":"shop","name":"Shop","role":"admin"}`, 400},
	} {
		if rec := o.as(c.who, o.api, http.MethodPost, "/v1/projects", c.body); rec.Code != c.want {
			t.Errorf("%s as %s: %d %s, want %d", c.body, c.who, rec.Code, rec.Body, c.want)
		}
	}
	rec := o.as("pat@example.com", o.api, http.MethodPost, "/v1/projects", `{"id":"shop","name":"Shop"}`)
	var made admin.NewProject
	if rec.Code != http.StatusCreated || json.Unmarshal(rec.Body.Bytes(), &made) != nil || made.ID != "shop" || made.Key.Secret == "" {
		t.Fatal(rec.Code, rec.Body)
	}
	if left := time.Until(made.Key.ExpiresAt); left <= 0 || left > 7*24*time.Hour {
		t.Errorf("the key is valid for %s", left)
	}
	var p struct {
		ID  string `json:"id"`
		DPA struct {
			InForce bool `json:"in_force"`
		} `json:"dpa"`
	}
	local.Answered(t, local.Call(t.Context(), o.api, http.MethodGet, "/v1/project", made.Key.Secret, ""), &p)
	if p.ID != "shop" || p.DPA.InForce {
		t.Errorf("%+v", p)
	}
	if rec := o.as("pat@example.com", o.api, http.MethodPost, "/v1/projects", `{"id":"shop","name":"Shop"}`); rec.Code != http.StatusConflict {
		t.Errorf("again: %d %s", rec.Code, rec.Body)
	}
	logged := 0
	for rec, err := range access.List(t.Context(), o.Default, "shop", access.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		var e access.Entry
		if err := json.Unmarshal(rec.Leaf, &e); err != nil {
			t.Fatal(err)
		}
		if e.Action == "project.create" && e.ActorKind == access.ByStaff && e.Object == made.Key.ID {
			logged++
		}
	}
	if logged != 1 {
		t.Errorf("logged %d times", logged)
	}
}
