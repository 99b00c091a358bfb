package report_test

import (
	"context"
	"net/http"
	"testing"
	"time"
)

// Where Firestore cannot be read in time, the caller is told to try again, and
// nothing of why.
func TestOutOfTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	r := w.request(segmentationPath, query("event", "Seen", "from", "2026-02-01", "to", "2026-02-01")).WithContext(ctx)
	rec := w.serve(r)
	w.refused(rec, http.StatusServiceUnavailable)
	if rec.Header().Get("Retry-After") == "" {
		t.Error(rec.Header())
	}
}
