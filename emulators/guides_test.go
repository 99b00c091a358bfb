package main

import (
	"html"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/topology"
)

var (
	guideLink  = regexp.MustCompile(`<h2><a href="(/guides/[^"]+)">`)
	guideBlock = regexp.MustCompile(`(?s)<code class="language-sh">(.*?)</code>`)
)

// guideWants is what the shell of each guide prints, block by block. The first block
// says the address and the keys; the reader is still in that terminal in the others.
var guideWants = map[string][][]string{
	"/guides/events":     {{}, {`{"status":1,"error":null}`}, {`"value":"free","type":"string","total":1`}},
	"/guides/browser":    {},
	"/guides/mixpanel":   {},
	"/guides/move":       {{}, {}, {`events.ndjson: 1 event imported, of 1 line`}},
	"/guides/identity":   {{}, {`"secret":"lethe_identity_`}},
	"/guides/access":     {{}, {`"id":`}, {`"status":"done"`, `"url":"http`}},
	"/guides/delete":     {{}, {`"id":`}, {`"status":"done"`}, {`"properties":["plan"]`}},
	"/guides/receipt":    {{}, {`1 person`}},
	"/guides/access-log": {{}, {`"action":"deletion.receipt"`}, {`OK: `, `sealed in a tree`}},
}

// guides runs the shell of every guide as the page has it, with the words in capitals
// filled in. Mixpanel is this Lethe, which answers the same call.
func (s *live) guides(t *testing.T) {
	c := s.clients(t)
	dbs := gcp.Databases{Default: c.dbs[topology.DefaultDatabase], Edge: c.dbs[topology.EdgeDatabase]}
	accepted, err := local.PublishDPA(t.Context(), dbs)
	if err != nil {
		t.Fatal(err)
	}
	p, err := project.Create(t.Context(), dbs, project.Project{ID: "guides", Name: "Guides", DPA: accepted})
	if err != nil {
		t.Fatal(err)
	}
	token, err := project.NewToken(t.Context(), dbs, p.ID)
	if err != nil {
		t.Fatal(err)
	}
	key, err := project.NewKey(t.Context(), dbs.Default, p.ID, project.Admin)
	if err != nil {
		t.Fatal(err)
	}
	read := func(path string) string {
		code, body, err := s.call(t.Context(), http.MethodGet, s.env["LETHE_URL"]+path, "")
		if err != nil || code != http.StatusOK {
			t.Fatalf("%s: %d %s %v", path, code, body, err)
		}
		return body
	}
	listed := map[string]bool{}
	for _, m := range guideLink.FindAllStringSubmatch(read("/guides"), -1) {
		listed[m[1]] = true
	}
	if len(listed) != len(guideWants) {
		t.Errorf("%d guides are listed, this test knows %d", len(listed), len(guideWants))
	}
	fill := strings.NewReplacer("LETHE_TOKEN=TOKEN", "LETHE_TOKEN="+token, "LETHE_KEY=KEY", "LETHE_KEY="+key,
		"https://data.mixpanel.com", s.env["LETHE_URL"], "=PROJECT&", "=1&", "ACCOUNT:SECRET", "account:"+key,
		"events.ndjson", filepath.Join(t.TempDir(), "events.ndjson"),
		"from_date=2026-11-01&to_date=2026-11-30", "from_date="+daysAgo(1)+"&to_date="+daysAgo(0))
	// What is to be deleted must be there, and what is moved too: in the order of a reader.
	for _, path := range []string{"/guides/events", "/guides/browser", "/guides/mixpanel", "/guides/move", "/guides/identity", "/guides/access", "/guides/delete", "/guides/receipt", "/guides/access-log"} {
		if !listed[path] {
			t.Errorf("%s is not listed", path)
		}
		blocks := guideBlock.FindAllStringSubmatch(read(path), -1)
		wants := guideWants[path]
		if len(blocks) != len(wants) {
			t.Fatalf("%s has %d blocks of shell, this test knows %d", path, len(blocks), len(wants))
		}
		if len(blocks) == 0 {
			continue
		}
		begin := fill.Replace(html.UnescapeString(blocks[0][1]))
		for i, block := range blocks[1:] {
			script := begin + fill.Replace(html.UnescapeString(block[1]))
			repeat := path != "/guides/events" || i > 0 // an event is sent once
			s.shellPrints(t, script, wants[i+1], repeat)
		}
	}
}

// daysAgo is a day (UTC); the test may run over midnight.
func daysAgo(n int) string { return time.Now().UTC().AddDate(0, 0, -n).Format(time.DateOnly) }
