package export_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/request"
	"github.com/lethe-analytics/lethe/shared/retention"
)

// A link works until it expires, for this object and as it was signed.
func TestLink(t *testing.T) {
	t.Parallel()
	const life = 5 * time.Second
	w := newWorld(t, time.Minute, life)
	w.work()
	one, two := w.ask(`{"distinct_ids":["ann"]}`), w.ask(`{"distinct_ids":["bob"]}`)
	w.until(one.ID, request.Done) // the links, once both are there: they live from then on
	second := w.until(two.ID, request.Done)
	first := w.until(one.ID, request.Done)
	if code, _ := w.fetch(first.URL); code != http.StatusOK {
		t.Fatalf("%d %s", code, first.URL)
	}
	u, err := url.Parse(first.URL)
	if err != nil {
		t.Fatal(err)
	}
	other := *u
	other.Path = strings.Replace(u.Path, one.ID, two.ID, 1)
	q := u.Query()
	q.Set("X-Goog-Expires", "600000")
	longer := *u
	longer.RawQuery = q.Encode()
	bare := *u
	bare.RawQuery = ""
	for name, altered := range map[string]string{"another object": other.String(), "a longer life": longer.String(), "no signature": bare.String(),
		"a byte altered": first.URL[:len(first.URL)-1] + string("0123456789abcdef"[(strings.IndexByte("0123456789abcdef", first.URL[len(first.URL)-1])+1)%16])} {
		if code, body := w.fetch(altered); code != http.StatusForbidden {
			t.Errorf("%s: %d %s", name, code, body)
		}
	}
	if !second.URLExpiresAt.After(time.Now()) || second.URLExpiresAt.After(time.Now().Add(life)) {
		t.Errorf("expires %v", second.URLExpiresAt)
	}
	local.Eventually(t, time.Minute, func() error {
		if code, _ := w.fetch(first.URL); code != http.StatusForbidden {
			return fmt.Errorf("the link does not expire: %d", code)
		}
		return nil
	})
	again := w.until(one.ID, request.Done)
	if code, _ := w.fetch(again.URL); code != http.StatusOK {
		t.Errorf("the link made anew: %d", code)
	}
	var list struct{ Exports []map[string]any }
	w.call(http.MethodGet, "/v1/exports?status=done", "", http.StatusOK, &list)
	if len(list.Exports) != 2 || list.Exports[0]["id"] != two.ID || list.Exports[0]["url"] != nil {
		t.Errorf("%v", list)
	}
	// After 7 days there is nothing to link to, nor after the project's retention.
	for kept, days := range map[int]int{2: 2, 30: retention.ArchiveDays, retention.Unlimited: retention.ArchiveDays} {
		if _, err := w.Default.Doc("projects/"+w.Project.ID).Set(t.Context(), map[string]any{"retention_days": kept}, mergeAll); err != nil {
			t.Fatal(err)
		}
		for ago, there := range map[time.Duration]bool{0: false, time.Minute: true} {
			finished := time.Now().AddDate(0, 0, -days).Add(ago)
			if _, err := request.Ref(w.Default, w.Project.ID, one.ID).Set(t.Context(), map[string]any{"finished": finished}, mergeAll); err != nil {
				t.Fatal(err)
			}
			if old := w.until(one.ID, request.Done); (old.URL != "") != there || (old.Gone == "") != there || there && old.URLExpiresAt.After(finished.AddDate(0, 0, days)) {
				t.Errorf("after %d days, %v: %+v", days, ago, old)
			}
		}
	}
}

// The same request is the same; it can be cancelled while it waits; nobody else sees
// it.
func TestRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute, time.Minute)
	one, two := w.ask(`{"distinct_ids":["ann"]}`), w.ask(`{"distinct_ids":["ann"],"format":"csv"}`)
	if again := w.ask(`{"distinct_ids":["ann","ann"]}`); again.ID != one.ID || two.ID == one.ID {
		t.Errorf("%s %s %s", one.ID, two.ID, again.ID)
	}
	own := w.key
	for key, want := range map[string]int{w.newKey(w.AddProject(t, "other"), project.Admin): http.StatusNotFound,
		w.newKey(w.Project, project.Reader): http.StatusForbidden, "": http.StatusUnauthorized} {
		w.key = key
		w.call(http.MethodGet, "/v1/exports/"+one.ID, "", want, nil)
		w.call(http.MethodDelete, "/v1/exports/"+one.ID, "", want, nil)
		w.call(http.MethodGet, "/api/app/data-retrievals/v3.0/"+one.ID, "", want, nil)
	}
	w.key = own
	w.call(http.MethodDelete, "/v1/exports/"+two.ID, "", http.StatusOK, nil)
	w.work()
	if e := w.until(one.ID, request.Done); e.URL == "" {
		t.Errorf("%+v", e)
	}
	if e := w.until(two.ID, request.Cancelled); e.URL != "" {
		t.Errorf("%+v", e)
	}
	w.call(http.MethodDelete, "/v1/exports/"+one.ID, "", http.StatusConflict, nil)
}

// What is wrong with a request is told.
func TestBadInput(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute, time.Minute)
	var many []string
	for i := range 2001 {
		many = append(many, fmt.Sprintf("%q", fmt.Sprint("p", i)))
	}
	for body, want := range map[string]string{
		`{}`:                                                           "distinct_ids",
		`{"distinct_ids":[]}`:                                          "at least one",
		`{"distinct_ids":["a"],"x":1}`:                                 "unknown field",
		`{"distinct_ids":["a"],"events":[]}`:                           "events",
		`{"distinct_ids":["a"],"format":"xml"}`:                        "format",
		`{"distinct_ids":["a"],"scope":"all"}`:                         "scope",
		`{"distinct_ids":["a"],"from":"yesterday"}`:                    "from",
		`{"distinct_ids":["a"],"from":"2025-02-01","to":"2025-01-01"}`: "after to",
		`{"distinct_ids":["a"],"properties":[""]}`:                     "properties[0]",
		`{"distinct_ids":[` + strings.Join(many, ",") + `]}`:           "2001 persons",
	} {
		got := w.call(http.MethodPost, "/v1/exports", body, http.StatusBadRequest, nil)
		if !strings.Contains(got, want) || !strings.Contains(got, "urn:lethe:problem:invalid") {
			t.Errorf("%.80s: %s", body, got)
		}
	}
	w.call(http.MethodGet, "/v1/exports/no", "", http.StatusNotFound, nil)
	w.call(http.MethodGet, "/v1/exports?status=x", "", http.StatusBadRequest, nil)
}

// Mixpanel's form of the same: the link under both of its names.
func TestMixpanel(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute, time.Minute)
	const path = "/api/app/data-retrievals/v3.0"
	var made struct {
		Results struct {
			TaskID string `json:"task_id"`
		}
	}
	w.call(http.MethodPost, path+"?token=x", `{"distinct_ids":["ann"],"compliance_type":"GDPR","disclosure_type":"Data"}`, http.StatusCreated, &made)
	var state struct{ Results map[string]any }
	w.call(http.MethodGet, path+"/"+made.Results.TaskID, "", http.StatusOK, &state)
	if r := state.Results; r["status"] != "PENDING" || r["result"] != "" || r["results"] != "" || r["disclosure_type"] != "Data" {
		t.Errorf("%v", r)
	}
	w.work()
	w.until(made.Results.TaskID, request.Done)
	w.call(http.MethodGet, path+"/"+made.Results.TaskID, "", http.StatusOK, &state)
	link, _ := state.Results["result"].(string)
	if r := state.Results; r["status"] != "SUCCESS" || link == "" || r["results"] != link || fmt.Sprint(r["distinct_ids"]) != "[ann]" {
		t.Errorf("%v", r)
	}
	if code, _ := w.fetch(link); code != http.StatusOK {
		t.Errorf("%d %s", code, link)
	}
	w.call(http.MethodPost, path, `{"distinct_ids":["ann"],"disclosure_type":"No"}`, http.StatusBadRequest, nil)
}
