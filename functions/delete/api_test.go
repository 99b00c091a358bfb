package erase_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/request"
)

// What is wrong with a request is told; nothing is done.
func TestBadInput(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute)
	var many []string
	for i := range 2001 {
		many = append(many, fmt.Sprintf("%q", fmt.Sprint("p", i)))
	}
	for body, want := range map[string]string{
		`{}`:                    "distinct_ids",
		`{"distinct_ids":[]}`:   "at least one",
		`{"distinct_ids":[""]}`: "distinct_ids[0]",
		`{"distinct_ids":["` + strings.Repeat("é", 256) + `"]}`:     "longer than 255",
		`{"distinct_ids":[` + strings.Join(many, ",") + `]}`:        "2001 persons",
		`{"distinct_ids":["a"],"x":1}`:                              "unknown field",
		`{"distinct_ids":"a"}`:                                      "wrong type",
		`{"distinct_ids":["a"],"properties":[]}`:                    "properties",
		`{"distinct_ids":["a"],"properties":["distinct_id"]}`:       "part of what an event is known by",
		`{"distinct_ids":["a"],"properties":["x"],"events":["y"]}`:  "not both",
		`{"distinct_ids":["a"],"properties":["x"],"suppress":true}`: "suppress",
		`{"distinct_ids":["a"],"events":[""]}`:                      "events[0]",
		`{"distinct_ids":["a"],"scope":"identity"}`:                 "scope",
		`nothing`: "not valid JSON",
	} {
		got := w.call(http.MethodPost, "/v1/deletions", body, http.StatusBadRequest, nil)
		if !strings.Contains(got, want) || !strings.Contains(got, "urn:lethe:problem:invalid") {
			t.Errorf("%.80s: %s", body, got)
		}
	}
	w.call(http.MethodGet, "/v1/deletions?status=no", "", http.StatusBadRequest, nil)
	w.call(http.MethodGet, "/v1/deletions?cursor=no", "", http.StatusBadRequest, nil)
	w.call(http.MethodGet, "/v1/deletions/no", "", http.StatusNotFound, nil)
	w.call(http.MethodPut, "/v1/deletions", "", http.StatusMethodNotAllowed, nil)
	var list struct{ Deletions []any }
	if w.call(http.MethodGet, "/v1/deletions", "", http.StatusOK, &list); len(list.Deletions) > 0 {
		t.Errorf("%+v", list)
	}
}

// Requests can be listed, cancelled while they wait, and seen by nobody else.
func TestRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute)
	first, second := w.ask(`{"distinct_ids":["ann"]}`), w.ask(`{"distinct_ids":["bob"]}`)
	var list struct{ Deletions []struct{ ID, Status string } }
	w.call(http.MethodGet, "/v1/deletions?status=queued", "", http.StatusOK, &list)
	if len(list.Deletions) != 2 || list.Deletions[0].ID != second.ID || list.Deletions[1].ID != first.ID {
		t.Errorf("%+v", list)
	}
	own := w.key
	other := w.AddProject(t, "other")
	for key, want := range map[string]int{w.newKey(other, project.Admin): http.StatusNotFound, w.newKey(w.Project, project.Reader): http.StatusForbidden, "": http.StatusUnauthorized} {
		w.key = key
		for _, path := range []string{"/v1/deletions/" + first.ID, "/v1/deletions/" + first.ID + "/receipt", "/api/app/data-deletions/v3.0/" + first.ID} {
			w.call(http.MethodGet, path, "", want, nil)
		}
		w.call(http.MethodDelete, "/v1/deletions/"+first.ID, "", want, nil)
	}
	w.key = own
	w.call(http.MethodGet, "/v1/deletions/"+first.ID+"/receipt", "", http.StatusNotFound, nil)
	w.call(http.MethodDelete, "/v1/deletions/"+first.ID, "", http.StatusOK, nil)
	w.call(http.MethodDelete, "/v1/deletions/"+first.ID, "", http.StatusOK, nil)
	w.work()
	w.until(second.ID, request.Done)
	w.until(first.ID, request.Cancelled)
	w.call(http.MethodDelete, "/v1/deletions/"+second.ID, "", http.StatusConflict, nil)
	if _, err := w.personRef("ann").Get(t.Context()); err == nil {
		t.Error("a cancelled deletion has set a fence")
	}
}

// Mixpanel's form of the same.
func TestMixpanel(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute)
	const path = "/api/app/data-deletions/v3.0"
	var made, again struct {
		Status  string
		Results struct {
			TaskID string `json:"task_id"`
		}
	}
	body := `{"distinct_ids":["ann","bob"],"compliance_type":"CCPA","more":1}`
	w.call(http.MethodPost, path+"?token=x", body, http.StatusCreated, &made)
	w.call(http.MethodPost, path, body, http.StatusCreated, &again)
	if made.Status != "ok" || made.Results.TaskID == "" || made != again {
		t.Errorf("%+v %+v", made, again)
	}
	var state struct{ Results map[string]any }
	w.call(http.MethodGet, path+"/"+made.Results.TaskID, "", http.StatusOK, &state)
	if r := state.Results; r["status"] != "PENDING" || r["compliance_type"] != "CCPA" || len(r["distinct_ids"].([]any)) != 2 || r["tracking_id"] != made.Results.TaskID {
		t.Errorf("%v", r)
	}
	if got := w.call(http.MethodPost, path, `{"distinct_ids":[]}`, http.StatusBadRequest, nil); !strings.HasPrefix(got, `{"error":"distinct_ids`) || !strings.Contains(got, `"status":"error"`) {
		t.Error(got)
	}
	w.call(http.MethodPost, path, `{"distinct_ids":["carl"]}`, http.StatusCreated, &again)
	w.call(http.MethodDelete, path+"/"+again.Results.TaskID, "", http.StatusNoContent, nil)
	w.work()
	w.until(made.Results.TaskID, request.Done)
	w.call(http.MethodGet, path+"/"+made.Results.TaskID, "", http.StatusOK, &state)
	if r := state.Results; r["status"] != "SUCCESS" || len(r["distinct_ids"].([]any)) != 0 {
		t.Errorf("%v", r)
	}
	w.call(http.MethodDelete, path+"/"+made.Results.TaskID, "", http.StatusMethodNotAllowed, nil)
	w.call(http.MethodGet, path+"/"+again.Results.TaskID, "", http.StatusOK, &state)
	if state.Results["status"] != "REVOKED" {
		t.Errorf("%v", state.Results)
	}
	w.key = "nobody's"
	if got := w.call(http.MethodGet, path+"/"+made.Results.TaskID, "", http.StatusUnauthorized, nil); !strings.Contains(got, `"status":"error"`) {
		t.Error(got)
	}
}
