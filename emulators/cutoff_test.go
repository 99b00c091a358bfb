package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/shared/access"
)

// secret stands in everything that is stored of the person whom TestCutOff asks for.
const secret = "zq7-canary"

// TestCutOff cuts Cloud Logging and Firestore off: no endpoint with data of a customer
// then answers anything but 503, and nothing is disclosed. In the end the program is
// killed.
func TestCutOff(t *testing.T) {
	t.Parallel()
	var short []string // else a call waits for Firestore for as long as a report may take
	for _, name := range []string{"REPORT", "PERSON", "EXPORT", "DELETE", "OPENDSR", "RETENTION", "INCIDENT", "ADMIN"} {
		short = append(short, "LETHE_"+name+"_TIMEOUT=8s")
	}
	m := &matrix{live: startLive(t, short...), ids: map[string]string{}}
	m.fill(t)

	m.everywhere(t, "all is well", func(e access.Endpoint, code int, _ string) string {
		if code == http.StatusServiceUnavailable || code == http.StatusInternalServerError {
			return "it can be had"
		}
		return ""
	})
	refused := func(e access.Endpoint, code int, body string) string {
		if code != http.StatusServiceUnavailable || strings.Contains(body, secret) || len(body) > 500 {
			return "want a 503 that tells nothing"
		}
		return ""
	}
	m.live.control(t, "/logging/cut")
	m.everywhere(t, "Cloud Logging is cut off", func(e access.Endpoint, code int, body string) string {
		if e.Action == "" { // hashes, and incidents: nothing of a person
			return ""
		}
		return refused(e, code, body)
	})
	m.live.control(t, "/logging/mend")
	m.discloses(t)

	m.live.control(t, "/firestore/pause")
	m.everywhere(t, "Firestore is cut off", refused)
	m.live.control(t, "/firestore/resume")
	m.discloses(t)
	m.live.isKilled(t)
}

// fill stores a person with events, and requests.
func (m *matrix) fill(t *testing.T) {
	t.Helper()
	token := m.live.env["LETHE_TOKEN"]
	for path, body := range map[string]string{
		"/track":  fmt.Sprintf(`[{"event":%q,"properties":{"token":%q,"distinct_id":"nobody","p":%q}}]`, secret, token, secret),
		"/engage": fmt.Sprintf(`[{"$token":%q,"$distinct_id":"nobody","$set":{"name":%q}}]`, token, secret),
	} {
		if code, answer, err := m.live.call(t.Context(), http.MethodPost, m.live.env["LETHE_URL"]+path, body); err != nil || code != http.StatusOK {
			t.Fatalf("%s: %d %s %v", path, code, answer, err)
		}
	}
	m.create(t, "exports", `{"distinct_ids":["nobody"]}`)
	m.create(t, "rectifications", `{"distinct_id":"nobody","profile":{"$set":{"a":1}},"reason":"r"}`)
	m.create(t, "deletions", `{"distinct_ids":["somebody else"]}`)
	m.discloses(t)
}

// discloses waits until person and report show what is stored.
func (m *matrix) discloses(t *testing.T) {
	t.Helper()
	to := time.Now().UTC()
	days := "from=" + to.AddDate(0, 0, -1).Format(time.DateOnly) + "&to=" + to.Format(time.DateOnly)
	for _, path := range []string{"/v1/people/nobody", "/v1/people/nobody/events?" + days, "/v1/reports/top-events?" + days} {
		local.Eventually(t, time.Minute, func() error {
			code, body, err := m.live.call(t.Context(), http.MethodGet, m.live.env["LETHE_URL"]+path, "")
			if err != nil || code != http.StatusOK || !strings.Contains(body, secret) {
				return fmt.Errorf("%s: %d %s %v", path, code, body, err)
			}
			return nil
		})
	}
}

// everywhere asks all endpoints that an admin's key opens, many at once, and checks the
// answers.
func (m *matrix) everywhere(t *testing.T, when string, wrong func(e access.Endpoint, code int, body string) string) {
	t.Helper()
	g, ctx := errgroup.WithContext(t.Context())
	if when == "all is well" { // all at once would take one another the time to answer in
		g.SetLimit(8)
	}
	for _, e := range access.Endpoints {
		if e.Role == "" || e.Method != http.MethodGet && when == "all is well" { // which would change something
			continue
		}
		queries := []string{""}
		if e.Action == "accesslog.read" {
			queries = []string{"?format=json", "?format=ndjson", "?format=csv"} // the last two are streams
		}
		for _, query := range queries {
			g.Go(func() error {
				code, body, err := m.askAll(ctx, e, query)
				if err != nil {
					return err
				}
				if text := wrong(e, code, body); text != "" {
					t.Errorf("%s: %s %s%s: %d %.200s: %s", when, e.Method, e.Path, query, code, body, text)
				}
				return nil
			})
		}
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
}

// askAll asks an endpoint for all that it has, a report by a query of its own.
func (m *matrix) askAll(ctx context.Context, e access.Endpoint, query string) (int, string, error) {
	id := "0198e0b5-0000-7000-8000-000000000000"
	for family, there := range m.ids {
		if strings.HasPrefix(e.Path, "/v1/"+family) {
			id = there
		}
	}
	person := "nobody"
	if e.Method != http.MethodGet {
		person = "somebody else" // what is done before its access could not be logged stays done
	}
	path := strings.NewReplacer("{id}", id, "{distinct_id}", url.PathEscape(person), "{path...}", "8/0/000", "{email}", "new@example.com").Replace(e.Path)
	to := time.Now().UTC().Format(time.DateOnly)
	if strings.Contains(e.Path, "/reports/") || strings.HasPrefix(e.Path, "/api/") {
		query = "?event=" + secret + "&property=p&from=" + to + "&to=" + to + "&from_date=" + to + "&to_date=" + to
	}
	r, err := http.NewRequestWithContext(ctx, e.Method, m.live.env["LETHE_URL"]+path+query, strings.NewReader("{}"))
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Authorization", "Bearer "+m.live.env["LETHE_KEY"])
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}
