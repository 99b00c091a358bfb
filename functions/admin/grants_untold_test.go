package admin_test

import (
	"net/http"
	"testing"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/shared/staff"
)

// A grant of which the customer cannot be told is neither made nor live nor ended.
func TestGrantUntold(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	const sue, pat = "sue@example.com", "pat@example.com"
	untold := func(path, body string) {
		t.Helper()
		spoilt := o.Default.Doc("projects/app/webhooks/spoilt")
		if _, err := spoilt.Set(t.Context(), map[string]any{"events": 7}); err != nil {
			t.Fatal(err)
		}
		local.Refused(t, o.as(pat, o.api, http.MethodPost, path, body), http.StatusInternalServerError)
		if _, err := spoilt.Delete(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	see := func(want int) {
		t.Helper()
		if rec := o.as(sue, o.data(http.MethodGet, exports), http.MethodGet, exports, ""); rec.Code != want {
			t.Errorf("%d %s, want %d", rec.Code, rec.Body, want)
		}
	}
	untold("/v1/grants", `{"project":"app","reason":"r","ticket":"t","duration":"1h"}`)
	if all, err := staff.GrantsFor(t.Context(), o.Default, "app", 10); err != nil || len(all) > 0 {
		t.Error(all, err)
	}
	path := "/v1/grants/" + o.ask(sue, "").ID
	untold(path+"/approve", "")
	see(http.StatusForbidden)
	if rec := o.as(pat, o.api, http.MethodPost, path+"/approve", ""); rec.Code != http.StatusOK {
		t.Fatal(rec.Body)
	}
	untold(path+"/revoke", "")
	see(http.StatusOK)
}
