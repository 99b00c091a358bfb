package retention_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/functions/retention"
	"github.com/lethe-analytics/lethe/shared/project"
)

// TestBad refuses what breaks a rule.
func TestBad(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute, nil)
	many := strings.Repeat(`{"event":"e","days":1},`, 50)
	for _, body := range []string{
		``, `{}`, `{"rules":[]}`, `{"retention_days":0}`, `{"retention_days":-1}`, `{"retention_days":1.5}`, `{"retention_days":"30"}`,
		`{"retention_days":36501}`, `{"retention_days":99999999999999999999}`, `{"retention_days":30,"x":1}`,
		`{"retention_days":30,"rules":[{}]}`, `{"retention_days":30,"rules":[{"event":"a","property":"b","days":1}]}`,
		`{"retention_days":30,"rules":[{"event":"a"}]}`, `{"retention_days":30,"rules":[{"event":"a","days":30}]}`,
		`{"retention_days":30,"rules":[{"event":"a","days":1},{"event":"a","days":2}]}`, `{"retention_days":30,"rules":[{"property":"distinct_id","days":1}]}`,
		`{"retention_days":30,"rules":[{"event":"` + strings.Repeat("x", 256) + `","days":1}]}`, `{"retention_days":30,"rules":[` + many + `{"event":"f","days":1}]}`,
	} {
		w.call("PUT", "/v1/retention", body, 400, nil)
		w.call("POST", "/v1/retention/preview", body, 400, nil)
	}
	for _, body := range []string{``, `{}`, `{"reason":" "}`, `{"reason":1}`, `{"reason":"` + strings.Repeat("x", 1001) + `"}`} {
		w.call("PUT", "/v1/retention/hold", body, 400, nil)
		w.call("PUT", "/v1/retention/holds/ann", body, 400, nil)
	}
	long := strings.Repeat("x", 256)
	for path, code := range map[string]int{
		"/v1/retention?x=1": 400, "/v1/retention/runs?cursor=x": 400, "/v1/retention/runs?x=1": 400, "/v1/retention/holds/" + long: 400,
		"/v1/retention/holds/undefined": 400, "/v1/retention/holds/": 404, "/v1/retention/none": 404, "/v1/retention/preview": 405,
	} {
		w.call("GET", path, "", code, nil)
	}
	w.call("PUT", "/v1/retention", strings.Repeat(" ", 2<<20), 413, nil)
	var a retention.Answer
	if w.call("GET", "/v1/retention", "", 200, &a); a.Pending != nil || len(a.Rules) != 0 {
		t.Errorf("%+v", a)
	}
}

// TestWhoseHold: keys of other projects and of lesser roles see and change nothing.
func TestWhoseHold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute, nil)
	w.call("PUT", "/v1/retention/holds/a%2Fb", `{"reason":"case 7"}`, 200, nil)
	var first, h retention.Hold
	w.call("GET", "/v1/retention/holds/a%2Fb", "", 200, &first)
	w.set(start.Add(time.Hour))
	w.call("PUT", "/v1/retention/holds/a%2Fb", `{"reason":"case 8"}`, 200, &h)
	if !h.Held || h.Reason != "case 8" || !h.Since.Equal(first.Since) || !h.Since.Equal(start) {
		t.Errorf("%+v, first %+v", h, first)
	}
	other, err := project.Create(t.Context(), w.Databases, project.Project{ID: "other"})
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := project.NewKey(t.Context(), w.Default, other.ID, project.Admin)
	if err != nil {
		t.Fatal(err)
	}
	lesser, err := project.NewKey(t.Context(), w.Default, "app", project.Privacy)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ method, path, body string }{
		{"GET", "/v1/retention", ""}, {"PUT", "/v1/retention", `{"retention_days":1}`}, {"DELETE", "/v1/retention/pending", ""},
		{"POST", "/v1/retention/preview", `{"retention_days":1}`}, {"GET", "/v1/retention/runs", ""},
		{"GET", "/v1/retention/hold", ""}, {"PUT", "/v1/retention/hold", `{"reason":"x"}`}, {"DELETE", "/v1/retention/hold", ""},
		{"GET", "/v1/retention/holds/a", ""}, {"PUT", "/v1/retention/holds/a", `{"reason":"x"}`}, {"DELETE", "/v1/retention/holds/a", ""},
	} {
		for key, want := range map[string]int{lesser: 403, "": 401, "lethe_nothing": 401} {
			if rec := local.Call(t.Context(), w.api, c.method, c.path, key, c.body); rec.Code != want {
				t.Errorf("%s %s: %d, want %d", c.method, c.path, rec.Code, want)
			}
		}
	}
	w.key = foreign
	if text := w.call("GET", "/v1/retention/holds/a%2Fb", "", 200, &h); strings.Contains(text, "case") {
		t.Errorf("another project's key sees %s", text)
	}
	w.call("DELETE", "/v1/retention/holds/a%2Fb", "", 200, nil)
	w.call("PUT", "/v1/retention", `{"retention_days":1}`, 202, nil)
	w.key = w.Key
	var a retention.Answer
	w.call("GET", "/v1/retention", "", 200, &a)
	w.call("GET", "/v1/retention/holds/a%2Fb", "", 200, &h)
	if !h.Held || a.Pending != nil {
		t.Errorf("another project's key changed it: %+v %+v", h, a)
	}
	w.call("DELETE", "/v1/retention/holds/a%2Fb", "", 200, nil)
	h = retention.Hold{}
	if w.call("GET", "/v1/retention/holds/a%2Fb", "", 200, &h); h.Held || fmt.Sprint(h) != fmt.Sprint(retention.Hold{}) {
		t.Errorf("lifted: %+v", h)
	}
}
