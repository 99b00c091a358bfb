package main

import (
	"fmt"
	"io"
	"strings"
	"text/template"
	"time"
)

// readyText is the first thing that a newcomer reads.
var readyText = template.Must(template.New("ready").Parse(`
ready: {{.URL}}   (after {{.Took}})

The dashboard is at {{.URL}}/ ; sign in with the API key below.

Paste this into another terminal; the lines of README.md work there:

  export LETHE_URL={{.URL}} LETHE_PROJECT={{.Project}}
  export LETHE_TOKEN={{.Token}}   # for SDKs
  export LETHE_KEY={{.Key}}   # API key, role admin
{{if .Interactive}}
Then, for example, send an event and ask a report for it:

  curl "$LETHE_URL/track?verbose=1" -H 'Content-Type: application/json' -d '{"event":"Signed up","properties":{"token":"'"$LETHE_TOKEN"'","distinct_id":"ada","plan":"free"}}'

  curl "$LETHE_URL/v1/reports/segmentation?event=Signed%20up&from={{.Today}}&to={{.Today}}&by=plan" -H "Authorization: Bearer $LETHE_KEY"

For Google's client libraries and tools:

{{range .Env}}  export {{.}}
{{end}}
{{.Kept}}
Ctrl-C stops everything.
{{end}}`))

// printReady tells how to use the system.
func (s *system) printReady(out io.Writer) {
	now := time.Now().UTC()
	kept := "Nothing is kept after the stop; -data DIR would keep it."
	if s.dir.keep {
		kept = "The data is kept in " + s.dir.path + " at an orderly stop (Ctrl-C, SIGTERM)."
	}
	var text strings.Builder
	err := readyText.Execute(&text, map[string]any{
		"URL": s.url, "Took": now.Sub(s.began).Round(100 * time.Millisecond),
		"Project": demoProject, "Token": s.demo.Token, "Key": s.demo.Key,
		"Today": now.Format(time.DateOnly), "Kept": kept,
		"Interactive": !s.hasCommand,
		"Env": []string{
			"GOOGLE_CLOUD_PROJECT=" + s.google,
			"FIRESTORE_EMULATOR_HOST=" + s.firestore.Host,
			"PUBSUB_EMULATOR_HOST=" + s.pubsub.Host,
			"STORAGE_EMULATOR_HOST=" + s.storage.Host,
			"LOGGING_EMULATOR_HOST=" + s.logging.Host,
		},
	})
	if err != nil {
		panic(err) // the template and its data are constant in form
	}
	fmt.Fprint(out, text.String())
}
