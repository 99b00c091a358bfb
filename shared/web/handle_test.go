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

// An answer that is cut off looks cut off, also where somebody recovers from the panic
// and goes on writing, as the functions framework does (funcframework, recoverPanic).
func TestCutOff(t *testing.T) {
	t.Parallel()
	for _, sent := range []string{"", "half", strings.Repeat("half", 1<<20)} {
		h := web.Handle(func(w http.ResponseWriter, _ *http.Request) error {
			_, _ = io.WriteString(w, sent)
			panic(http.ErrAbortHandler)
		})
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() {
				if recover() != nil {
					w.WriteHeader(http.StatusInternalServerError)
					_, _ = io.WriteString(w, "A panic occurred")
				}
			}()
			h.ServeHTTP(w, r)
		}))
		res, err := http.Get(server.URL)
		if err == nil {
			_, err = io.Copy(io.Discard, res.Body)
			res.Body.Close()
		}
		if err == nil {
			t.Errorf("after %d bytes it is taken for whole", len(sent))
		}
		server.Close()
	}
}
