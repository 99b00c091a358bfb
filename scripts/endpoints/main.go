// Command endpoints prints who may call which endpoint, and who may say what of a person,
// as Markdown:
//
//	shared/access.Endpoints ─▶ table ─────┬─▶ standard output
//	shared/identity.Rules ─▶ rule, list ──┴─▶ README.md, openapi.yaml, between their markers (-w FILE)
//
// The same lists are what the functions ask.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/lethe-analytics/lethe/shared/access"
)

// part is what a program writes into a file, between two markers.
type part struct {
	begin, end string
	write      func() string
}

// parts are all of them; a file has those whose markers it has.
var parts = []part{
	{"<!-- endpoints: written by go run ./scripts/endpoints -w README.md -->\n", "<!-- end of endpoints -->\n", spaced(table)},
	{"<!-- rule: written by go run ./scripts/endpoints -w README.md -->\n", "<!-- end of rule -->\n", spaced(ruleTable)},
	{"# rule: written by go run ./scripts/endpoints -w shared/openapi/openapi.yaml\n", "# end of rule\n", ruleTag},
}

// spaced puts empty lines around a text.
func spaced(write func() string) func() string { return func() string { return "\n" + write() + "\n" } }

func main() {
	file := flag.String("w", "", "write into this file, between its markers")
	flag.Parse()
	if err := run(*file); err != nil {
		fmt.Fprintln(os.Stderr, "endpoints:", err)
		os.Exit(1)
	}
}

func run(file string) error {
	if file == "" {
		_, err := os.Stdout.WriteString(table() + "\n" + ruleTable())
		return err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	updated, err := update(string(text))
	if err != nil {
		return err
	}
	return os.WriteFile(file, []byte(updated), 0o644)
}

// update writes the parts of a text anew.
func update(text string) (string, error) {
	found := false
	for _, p := range parts {
		before, rest, ok := strings.Cut(text, p.begin)
		if !ok {
			continue
		}
		_, after, ok := strings.Cut(rest, p.end)
		if !ok {
			return "", fmt.Errorf("the file lacks %q", strings.TrimSpace(p.end))
		}
		text, found = before+p.begin+p.write()+p.end+after, true
	}
	if !found {
		return "", errors.New("the file has no markers")
	}
	return text, nil
}

// table is the list in Markdown.
func table() string {
	var b strings.Builder
	b.WriteString("| endpoint | callers | staff | in the access log |\n| --- | --- | --- | --- |\n")
	for _, e := range access.Endpoints {
		action := e.Action
		if action != "" {
			action = "`" + action + "`"
		}
		fmt.Fprintf(&b, "| `%s %s` | %s | %s | %s |\n", e.Method, e.Path, callers(e), members(e), action)
	}
	return b.String()
}

func callers(e access.Endpoint) string {
	switch {
	case e.Auth == access.AuthPublic:
		return "anybody"
	case e.Auth == access.AuthToken:
		return "SDK token"
	case e.Role == "":
		return ""
	}
	return "key, `" + string(e.Role) + "`"
}

func members(e access.Endpoint) string {
	if len(e.Staff) == 0 {
		return ""
	}
	names := make([]string, len(e.Staff))
	for i, r := range e.Staff {
		names[i] = "`" + string(r) + "`"
	}
	list := strings.Join(names, ", ")
	if e.Auth == access.AuthKey {
		list += " with a grant"
	}
	return list
}
