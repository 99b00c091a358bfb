package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/emulators/local"
)

// live is a system that runs until the test's end.
type live struct {
	*program
	env map[string]string
}

// liveArgs have a COMMAND that finds out the environment and ends with its input.
func liveArgs(args ...string) []string {
	return slices.Concat([]string{"-addr", "localhost:0"}, args, []string{"--", "sh", "-c", "env; echo =====; cat >/dev/null"})
}

// startLive starts a system to test the functions in, with variables set. It is built
// without the race detector, which the tests of the program itself have.
func startLive(t *testing.T, env ...string) *live {
	t.Helper()
	p := emulators(t, liveArgs()...)
	p.Env = append(p.Env, env...)
	return newLive(t, p)
}

// newLive starts a system and reads what its COMMAND finds in the environment.
func newLive(t *testing.T, p *program) *live {
	t.Helper()
	s := &live{program: p, env: map[string]string{}}
	for _, line := range p.begin(t, "=====") {
		k, v, _ := strings.Cut(line, "=")
		s.env[k] = v
	}
	return s
}

// finish ends COMMAND, and with it the system.
func (s *live) finish(t *testing.T) {
	t.Helper()
	if err := s.stdin.Close(); err != nil {
		t.Error(err)
	}
	if code := s.end(t); code != 0 {
		t.Errorf("status %d, want 0; standard error:\n%s", code, s.stderr)
	}
}

// call makes a request with the demo project's key.
func (s *live) call(ctx context.Context, method, url, body string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Authorization", "Bearer "+s.env["LETHE_KEY"])
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(answer), err
}

// control makes a fault.
func (s *live) control(t *testing.T, path string) {
	t.Helper()
	code, body, err := s.call(t.Context(), "POST", s.env["LETHE_CONTROL"]+path, "")
	if err != nil || code != http.StatusNoContent {
		t.Fatalf("%s: %d %s %v", path, code, body, err)
	}
}

// track sends one event of a person.
func (s *live) track(ctx context.Context, person, insertID string) error {
	body := fmt.Sprintf(`[{"event":"Seen","properties":{"token":%q,"distinct_id":%q,"time":%d,"$insert_id":%q}}]`,
		s.env["LETHE_TOKEN"], person, time.Now().Unix(), insertID)
	code, answer, err := s.call(ctx, "POST", s.env["LETHE_URL"]+"/track?verbose=1", body)
	if err == nil && code != http.StatusOK {
		err = fmt.Errorf("track: %d %s", code, answer)
	}
	return err
}

// seen waits until the report counts so many events.
func (s *live) seen(t *testing.T, want int) {
	t.Helper()
	today := time.Now().UTC().Format(time.DateOnly)
	yesterday := time.Now().UTC().AddDate(0, 0, -1).Format(time.DateOnly) // the test may run over midnight
	local.Eventually(t, time.Minute, func() error {
		code, body, err := s.call(t.Context(), "GET",
			s.env["LETHE_URL"]+"/v1/reports/segmentation?event=Seen&unit=day&measure=total&from="+yesterday+"&to="+today, "")
		if err != nil || code != http.StatusOK {
			return fmt.Errorf("report: %d %s %v", code, body, err)
		}
		var report struct{ Series []struct{ Total int } }
		if err := json.Unmarshal([]byte(body), &report); err != nil {
			return err
		}
		total := 0
		for _, s := range report.Series {
			total += s.Total
		}
		if total != want {
			return fmt.Errorf("the report counts %d events, want %d", total, want)
		}
		return nil
	})
}
