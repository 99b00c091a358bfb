package ingest_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"testing"
)

// Tokens that are tried out are raised, by their hash alone, and a token that is good is
// not. This test has the default logger to itself: it is not parallel.
func TestFailures(t *testing.T) {
	s := newSystem(t, nil)
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewJSONHandler(&log, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	const wrong = "0123456789abcdef0123456789abcdef"
	for token, lines := range map[string]int{"": 0, s.Token: 0, wrong: 1} {
		track := s.request("POST", "/track", "application/json", `[{"event":"Seen","properties":{"token":"`+token+`","distinct_id":"ann-the-person"}}]`)
		ask := s.request("GET", "/consent?token="+token, "", "")
		load := s.request("POST", "/import", "application/json", "[]")
		load.SetBasicAuth(token, "")
		for _, r := range []*http.Request{track, ask, load} {
			log.Reset()
			a := s.do(r)
			if got := log.String(); strings.Count(got, `"security_event":"auth.failed"`) != lines || strings.Contains(got, wrong) || strings.Contains(got, "ann-the") {
				t.Errorf("%s %q: %d %s\n%s", r.URL.Path, token, a.code, a.body, got)
			}
		}
	}
}
