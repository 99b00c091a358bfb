package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/staff"
)

// caller is one kind of caller, with what decides about it.
type caller struct {
	name   string
	secret string       // a token, a key or an ID token
	token  bool         // an SDK token
	role   project.Role // of a live key
	member *staff.Member
	about  string // the project that a member names
	grant  bool   // live, for it
	forbid bool   // that project lets no staff in
	maker  string // the credential that secret is a session of
	theirs bool   // another project's: asks for ids that the demo project has
}

// expect is what the table says of a caller: a status, or 0 for let in; and for staff
// what of the refusal's text tells which thing is missing.
func expect(e access.Endpoint, c caller) (status int, missing string) {
	if status, missing = expectOf(e, c); status == 0 && c.maker != "" && e.Method == http.MethodPost && e.Path == "/v1/sessions" {
		return http.StatusForbidden, "a session can not make a session"
	}
	return status, missing
}

// expectOf is expect of whoever made a session.
func expectOf(e access.Endpoint, c caller) (status int, missing string) {
	switch {
	case e.Auth == access.AuthPublic, e.Auth == access.AuthToken && c.token:
		return 0, ""
	case e.Auth == access.AuthToken:
		return http.StatusUnauthorized, ""
	case c.member != nil:
		missing = missingOf(e, c)
		if missing == "" {
			return 0, ""
		}
		return http.StatusForbidden, missing
	case e.Role == "" || c.role == "":
		return http.StatusUnauthorized, ""
	case !c.role.Includes(e.Role):
		return http.StatusForbidden, "the API key's role is"
	}
	return 0, ""
}

func missingOf(e access.Endpoint, c caller) string {
	m := c.member
	roster := m.Root && strings.HasPrefix(e.Action, "staff.")
	switch {
	case m.Disabled:
		return "disabled"
	case len(e.Staff) == 0:
		return "no role of the staff"
	case !slices.Contains(e.Staff, m.Role):
		return "the role is"
	case m.Confidentiality.Version == "" && !roster:
		return "confidentiality"
	case m.TrainingAt.Before(yearAgo) && !roster:
		return "training"
	case e.Auth == access.AuthKey && !c.grant:
		return "no live grant"
	case e.Auth == access.AuthKey && c.forbid:
		return "the customer forbids"
	}
	return ""
}

// letIn are the statuses that a caller who is let in gets, who sends no body and no
// parameters, and asks for ids that do not exist: 404 of those, 400 for the body that
// is missing, else 200, and these. What is idempotent may succeed.
var letIn = map[string][]int{
	"POST /consent":                       {202},
	"POST /v1/sessions":                   {201},
	"GET /consent":                        {200},
	"POST /v1/project/identity-secret":    {201, 409}, // there are two at most
	"DELETE /v1/project/identity-secret":  {204},
	"GET /v1/reports/segmentation":        {400},
	"GET /v1/reports/top-events":          {400},
	"GET /v1/reports/values":              {400},
	"GET /api/query/segmentation":         {400},
	"GET /api/query/retention":            {400},
	"GET /api/query/stream/query":         {400},
	"GET /api/2.0/export":                 {400},
	"GET /v1/people/{distinct_id}":        {404},
	"GET /v1/people/{distinct_id}/events": {404},
	"GET /v1/people/{distinct_id}/links":  {404},
	"GET /v1/access-log/proof":            {400},
	"GET /v1/access-log/consistency":      {400},
	"GET /v1/access-log/checkpoint":       {200, 404}, // there is one within a minute
	"DELETE /v1/retention/pending":        {404},
	"POST /v1/incidents/{id}/updates":     {400},
}

func allowed(e access.Endpoint, c caller) []int {
	if e.Path == "/v1/sessions/current" { // a key or an ID token is none
		switch {
		case c.maker == "":
			return []int{http.StatusNotFound}
		case e.Method == http.MethodDelete:
			return []int{http.StatusNoContent}
		}
		return []int{http.StatusOK}
	}
	if s, ok := letIn[e.Method+" "+e.Path]; ok {
		return s
	}
	switch {
	case strings.Contains(e.Path, "{id}") || strings.Contains(e.Path, "{other}") || strings.Contains(e.Path, "..."):
		return []int{http.StatusNotFound}
	case e.Auth == access.AuthToken:
		return []int{http.StatusOK}
	case e.Method == http.MethodPost || e.Method == http.MethodPut:
		return []int{http.StatusBadRequest}
	}
	return []int{http.StatusOK}
}

// TestMatrix asks for every endpoint as every kind of caller, through the gateway of a
// live system: the answers are those that access.Endpoints says.
func TestMatrix(t *testing.T) {
	t.Parallel()
	m := newMatrix(t)
	g, ctx := errgroup.WithContext(t.Context())
	g.SetLimit(8)
	for _, e := range access.Endpoints {
		for _, c := range m.callers {
			g.Go(func() error {
				status, body, err := m.ask(ctx, e, c)
				if err != nil {
					return err
				}
				want, missing := expect(e, c)
				switch {
				case want == 0 && !slices.Contains(allowed(e, c), status):
					t.Errorf("%s %s as %s: %d %s, want %v", e.Method, e.Path, c.name, status, body, allowed(e, c))
				case want != 0 && (status != want || !strings.Contains(body, missing)):
					t.Errorf("%s %s as %s: %d %s, want %d %q", e.Method, e.Path, c.name, status, body, want, missing)
				}
				return nil
			})
		}
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
	t.Logf("%d endpoints, %d callers", len(access.Endpoints), len(m.callers))
	m.live.finish(t)
}

// ask makes the request of a caller.
func (m *matrix) ask(ctx context.Context, e access.Endpoint, c caller) (int, string, error) {
	id := "0198e0b5-0000-7000-8000-000000000000"
	if c.theirs {
		for family, there := range m.ids {
			if strings.HasPrefix(e.Path, "/v1/"+family) {
				id = there
			}
		}
	}
	path := strings.NewReplacer("{id}", id, "{distinct_id}", "nobody", "{other}", "somebody", "{path...}", "8/0/999", "{email}", "new@example.com").Replace(e.Path)
	body := ""
	if e.Auth == access.AuthToken {
		body = map[string]string{
			"/track":   fmt.Sprintf(`[{"event":"E","properties":{"token":%q,"distinct_id":"matrix"}}]`, c.secret),
			"/engage":  fmt.Sprintf(`[{"$token":%q,"$distinct_id":"matrix","$set":{"a":1}}]`, c.secret),
			"/import":  `[]`,
			"/consent": fmt.Sprintf(`{"token":%q,"distinct_id":"matrix","state":"granted"}`, c.secret),
		}[path]
		if e.Method == http.MethodGet {
			body = ""
		}
	}
	r, err := http.NewRequestWithContext(ctx, e.Method, m.live.env["LETHE_URL"]+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Content-Type", "application/json")
	if c.maker != "" && e.Method == http.MethodDelete && path == "/v1/sessions/current" { // the other calls need theirs
		if c.secret, err = m.session(ctx, c.maker); err != nil {
			return 0, "", err
		}
	}
	switch {
	case path == "/import" && c.secret != "":
		r.SetBasicAuth(c.secret, "")
	case c.secret != "":
		r.Header.Set("Authorization", "Bearer "+c.secret)
	}
	if c.about != "" {
		r.Header.Set(access.ProjectHeader, c.about)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 2000))
	return resp.StatusCode, string(answer), err
}

// create makes a request of the demo project's and gives its id.
func (m *matrix) create(t *testing.T, family, body string) {
	t.Helper()
	code, answer, err := m.live.call(t.Context(), http.MethodPost, m.live.env["LETHE_URL"]+"/v1/"+family, body)
	var made struct{ ID string }
	if err != nil || code/100 != 2 || json.Unmarshal([]byte(answer), &made) != nil || made.ID == "" {
		t.Fatalf("%s: %d %s %v", family, code, answer, err)
	}
	m.ids[family] = made.ID
}

var routed = regexp.MustCompile(`(?:guard\.Route\(|\{Method: )http\.Method(\w+), (?:Path: )?"([^"]+)"`)

// TestTableIsComplete compares the table with the routes in the functions' source, but
// for those of SDKs and of OpenDSR, which are made in a loop. No function looks at a
// credential of its own accord: the guard is the one way in.
func TestTableIsComplete(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../functions/*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	routes := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(file, "_test.go") && strings.Contains(string(text), ".Authenticate(") {
			t.Errorf("%s passes the guard by", file)
		}
		for _, route := range routed.FindAllStringSubmatch(string(text), -1) {
			routes[strings.ToUpper(route[1])+" "+route[2]] = true
		}
	}
	for _, e := range access.Endpoints {
		name := e.Method + " " + e.Path
		openDSR := strings.HasPrefix(e.Action, "opendsr.") || e.Path == "/discovery" || e.Path == "/cert.pem"
		if !routes[name] && e.Auth != access.AuthToken && !openDSR {
			t.Errorf("no function has %s", name)
		}
		delete(routes, name)
	}
	for name := range routes {
		t.Errorf("not in the table: %s", name)
	}
}
