package ingest_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/lethe-analytics/lethe/shared/identity"
)

// Proofs that prove nothing are counted in the log, without the id, the proof or the
// token. This test has the default logger to itself: it is not parallel.
func TestProofsAreLogged(t *testing.T) {
	s := newProver(t)
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewJSONHandler(&log, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	wrong := s.event("ann-of-the-log", proofOf(signing, "bob"))
	if a := s.post("/track", jsonType, "["+wrong+","+s.event("ann-of-the-log", "")+","+wrong+"]"); a.body != "1" {
		t.Errorf("got %d %s, want 1", a.code, a.body)
	}
	if a := s.askConsent("ann-of-the-log", "x"); a.code != http.StatusForbidden {
		t.Errorf("got %d %s, want 403", a.code, a.body)
	}
	text := log.String()
	if n := strings.Count(text, `"msg":"identity proofs refused"`); n != 2 || !strings.Contains(text, `"count":2`) {
		t.Errorf("got %d lines of proofs, want 2, the first of 2 proofs: %s", n, text)
	}
	for _, not := range []string{"ann-of-the-log", identity.Prove(signing, "bob"), s.Token} {
		if strings.Contains(text, not) {
			t.Errorf("the log has %s", not)
		}
	}
	s.published(3)
}
