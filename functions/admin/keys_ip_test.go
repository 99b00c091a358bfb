package admin_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/shared/project"
)

// A key with ranges is of use only from there, as the platform tells it.
// TestMain has the tests stand behind Google's load balancer, and not behind the local
// gateway, whose environment they may have.
func TestMain(m *testing.M) {
	_ = os.Unsetenv("LETHE_TRUSTED_HOPS")
	os.Exit(m.Run())
}

func TestIPRanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := w.createKey(`{"name":"Office","role":"admin","ip_ranges":["192.0.2.7/24","2001:db8::/32"]}`)
	if fmt.Sprint(k.IPRanges) != "[192.0.2.0/24 2001:db8::/32]" {
		t.Error(k.IPRanges)
	}
	for forwarded, want := range map[string]int{
		"192.0.2.200, 10.0.0.1":             http.StatusOK,
		"1.2.3.4, 192.0.2.1, 10.0.0.1":      http.StatusOK,
		"::ffff:192.0.2.1,10.0.0.1":         http.StatusOK,
		"2001:db8:1::1, 10.0.0.1":           http.StatusOK,
		"192.0.3.1, 10.0.0.1":               http.StatusForbidden,
		"192.0.2.1, 198.51.100.1, 10.0.0.1": http.StatusForbidden, // what the client says counts for nothing
		"192.0.2.1":                         http.StatusForbidden,
		"x, 10.0.0.1":                       http.StatusForbidden,
		"":                                  http.StatusForbidden,
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/keys", nil)
		r.Header.Set("Authorization", "Bearer "+k.Secret)
		if forwarded != "" {
			r.Header.Set("X-Forwarded-For", forwarded)
		}
		rec := httptest.NewRecorder()
		local.Serve(w.api, rec, r)
		if rec.Code != want {
			t.Errorf("%q: %d %s", forwarded, rec.Code, rec.Body)
		}
	}
	refused := 0 // is logged too
	for _, e := range w.Access(t) {
		if e.Action == "key.list" && e.Status == http.StatusForbidden && e.Actor == project.Hash(k.Secret) {
			refused++
		}
	}
	if refused != 5 {
		t.Error(refused)
	}
}
