package dashboard_test

import (
	"html"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lethe-analytics/lethe/shared/access"
)

var (
	hrefs = regexp.MustCompile(`href="([^"]*)"`)
	ids   = regexp.MustCompile(` id="([^"]*)"`)
)

// No link among guides and reference leads nowhere, nor does an anchor, and no page has
// what the policy forbids. Where a session is needed, one is asked to sign in.
func TestLinks(t *testing.T) {
	t.Parallel()
	get := documents(t, publicURL)
	anchors := map[string][]string{} // of each page
	wanted := map[string]string{}    // a link, and a page that has it
	queue := []string{"/guides", "/reference"}
	for len(queue) > 0 {
		path := queue[0]
		queue = queue[1:]
		if _, seen := anchors[path]; seen {
			continue
		}
		anchors[path] = []string{}
		rec := get(path)
		if strings.HasPrefix(rec.Header().Get("Location"), "/sign-in?") {
			continue
		}
		if rec.Code != http.StatusOK {
			t.Errorf("%s, linked from %s: %d", path, wanted[path], rec.Code)
		}
		if !strings.HasPrefix(path, "/guides") && !strings.HasPrefix(path, "/reference") {
			continue
		}
		page := rec.Body.String()
		for _, not := range []string{" style=", "<style", "<script", "{{"} {
			if strings.Contains(page, not) {
				t.Errorf("%s has %s", path, not)
			}
		}
		for _, m := range ids.FindAllStringSubmatch(page, -1) {
			if slices.Contains(anchors[path], m[1]) {
				t.Errorf("%s has the anchor %s twice", path, m[1])
			}
			anchors[path] = append(anchors[path], m[1])
		}
		for _, m := range hrefs.FindAllStringSubmatch(page, -1) {
			to := html.UnescapeString(m[1])
			if strings.HasPrefix(to, "#") {
				to = path + to
			}
			wanted[to] = path
			switch {
			case strings.HasPrefix(to, "/"):
				to, _, _ = strings.Cut(to, "#")
				queue = append(queue, to)
				wanted[to] = path
			case strings.HasPrefix(to, publicURL): // of another function
				to = strings.TrimPrefix(to, publicURL)
				if !slices.ContainsFunc(access.Endpoints, func(e access.Endpoint) bool { return e.Method == http.MethodGet && e.Path == to }) {
					t.Errorf("%s links to %s, which is no endpoint", path, to)
				}
			case !strings.HasPrefix(to, "https://"):
				t.Errorf("%s links to %s", path, to)
			}
		}
	}
	for to, from := range wanted {
		if path, anchor, ok := strings.Cut(to, "#"); ok && strings.HasPrefix(to, "/") && !slices.Contains(anchors[path], anchor) {
			t.Errorf("%s links to %s, which has no such anchor", from, to)
		}
	}
	if len(wanted) < 150 {
		t.Errorf("%d links", len(wanted))
	}
}

// The snippets have the reader's own address, in the form that each SDK takes.
func TestGuideSnippets(t *testing.T) {
	t.Parallel()
	for url, texts := range map[string][]string{
		publicURL + "/": {
			`api_host: "https://lethe.example.com"`, `{ host: "lethe.example.com" }`, `Consumer(api_host="lethe.example.com")`,
			`serverURL: "https://lethe.example.com"`, `setServerURL("https://lethe.example.com")`,
		},
		"http://localhost:8080": {
			`api_host: "http://localhost:8080"`, `{ host: "localhost", port: 8080, protocol: "http" }`,
			`Consumer(events_url="http://localhost:8080/track", people_url="http://localhost:8080/engage")`,
			`serverURL: "http://localhost:8080"`, `setServerURL("http://localhost:8080")`,
		},
	} {
		get := documents(t, url)
		page := html.UnescapeString(get("/guides/mixpanel").Body.String())
		for _, text := range texts {
			if !strings.Contains(page, text) {
				t.Errorf("for %s the guide lacks %s", url, text)
			}
		}
		if page = html.UnescapeString(get("/guides/browser").Body.String()); !strings.Contains(page, `src="`+strings.TrimSuffix(url, "/")+`/sdk.js"`) {
			t.Error(page)
		}
	}
	for _, path := range []string{"/guides/nothing", "/guides/..%2fguides", "/reference/nothing"} {
		if rec := documents(t, publicURL)(path); rec.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, rec.Code)
		}
	}
}
