package project

import (
	"testing"
	"time"
)

// A session of a member of staff lasts 12 hours, and never past the UTC day.
func TestStaffUntil(t *testing.T) {
	t.Parallel()
	for at, want := range map[string]string{
		"2026-11-24T06:00:00Z":      "2026-11-24T18:00:00Z",
		"2026-11-24T12:00:00Z":      "2026-11-25T00:00:00Z",
		"2026-11-24T23:50:00Z":      "2026-11-25T00:00:00Z",
		"2026-11-24T23:50:00-05:00": "2026-11-25T16:50:00Z",
		"2026-11-24T00:00:00Z":      "2026-11-24T12:00:00Z",
	} {
		begin, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if got := staffUntil(begin).UTC().Format(time.RFC3339); got != want {
			t.Errorf("made at %s ends at %s, want %s", at, got, want)
		}
	}
}
