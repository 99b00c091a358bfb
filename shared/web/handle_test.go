package web_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/shared/web"
)

// The deadline is for the request to arrive, not for the work on it: past it, the
// context must go on.
func TestReadDeadlineEndsWithTheBody(t *testing.T) {
	t.Parallel()
	const deadline = 20 * time.Millisecond
	s := httptest.NewServer(web.HandleWith(func(_ http.ResponseWriter, r *http.Request) error {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return err
		}
		select {
		case <-r.Context().Done():
			return r.Context().Err()
		case <-time.After(5 * deadline):
			return nil
		}
	}, web.WriteProblem, deadline))
	defer s.Close()
	for _, body := range []string{"", "some"} {
		resp, err := http.Post(s.URL, "text/plain", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("with body %q: %s", body, resp.Status)
		}
	}
}
