package security_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lethe-analytics/lethe/shared/security"
)

// Failures are told one by one, and those of one source as repeated, once. This test has
// the default logger to itself: it is not parallel.
func TestFailures(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewJSONHandler(&log, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	f := security.NewFailures()
	fail := func(remote string, times int) {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
		r.RemoteAddr = remote
		for range times {
			f.Note(t.Context(), r, "0123456789abcdef")
		}
	}
	fail("203.0.113.1:1234", security.RepeatedOf-1)
	fail("203.0.113.2:1234", 1)
	fail("203.0.113.1:5678", 2)
	counts := map[string]int{}
	for line := range strings.Lines(log.String()) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		if entry["level"] != "WARN" || entry["key"] != "01234567" {
			t.Errorf("%s", line)
		}
		counts[entry["security_event"].(string)]++
	}
	if counts["auth.failed"] != security.RepeatedOf+2 || counts["auth.repeated"] != 1 {
		t.Errorf("%v", counts)
	}
	if strings.Contains(log.String(), "203.0.113") {
		t.Error("an address is in the log")
	}
	log.Reset()
	fail("203.0.113.4:1", 1000)
	if n := strings.Count(log.String(), "auth.failed"); n > 200 {
		t.Errorf("%d lines of 1000 failures", n)
	}
}
