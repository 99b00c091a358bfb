package staff_test

import (
	"bytes"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/shared/staff"
)

// Tokens that are tried out are raised as keys are, and not what is in them. This test
// has the default logger to itself: it is not parallel.
func TestFailures(t *testing.T) {
	n := local.NewTenant(t, nil)
	issuer, err := local.StartIssuer()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(issuer.Stop)
	v, err := staff.NewVerifier(t.Context(), staff.Config{Audience: local.StaffAudience, Issuer: issuer.URL, CertsURL: issuer.CertsURL()})
	if err != nil {
		t.Fatal(err)
	}
	good, err := issuer.Token("ann@example.com", nil)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewJSONHandler(&log, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	for token, lines := range map[string]int{"": 0, good: 0, good[:len(good)-4] + "AAAA": 1, "a.b.c": 1} {
		log.Reset()
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		if _, err := v.Identify(t.Context(), n.Default, r); err == nil { // of no member of staff
			t.Error("let in")
		}
		if got := log.String(); strings.Count(got, `"security_event":"auth.failed"`) != lines || strings.Contains(got, "ann@") || token != "" && strings.Contains(got, token) {
			t.Errorf("%s: %s", token, got)
		}
	}
}
