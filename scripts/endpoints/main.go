// Command endpoints prints who may call which endpoint, as Markdown:
//
//	shared/access.Endpoints ─▶ table ─┬─▶ standard output
//	                                  └─▶ README.md, between two markers (-w FILE)
//
// The same list is what the functions ask for a caller's rights.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/lethe-analytics/lethe/shared/access"
)

// The markers between which the table stands.
const (
	begin = "<!-- endpoints: written by go run ./scripts/endpoints -w README.md -->\n"
	end   = "<!-- end of endpoints -->\n"
)

func main() {
	file := flag.String("w", "", "write the table into this file, between its markers")
	flag.Parse()
	if err := run(*file); err != nil {
		fmt.Fprintln(os.Stderr, "endpoints:", err)
		os.Exit(1)
	}
}

func run(file string) error {
	if file == "" {
		_, err := os.Stdout.WriteString(table())
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

// update puts the table between the markers of a text.
func update(text string) (string, error) {
	before, rest, ok := strings.Cut(text, begin)
	_, after, found := strings.Cut(rest, end)
	if !ok || !found {
		return "", errors.New("the file does not have both markers")
	}
	return before + begin + "\n" + table() + "\n" + end + after, nil
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
