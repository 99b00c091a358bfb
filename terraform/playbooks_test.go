// Package terraform_test holds the alerts against their playbooks, and against what
// the functions log.
package terraform_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lethe-analytics/lethe/shared/topology"
)

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// block is what stands between the braces that follow a beginning.
func block(t *testing.T, text, begin string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, begin)
	if !ok {
		t.Fatalf("there is no %q", begin)
	}
	depth := 0
	for i, c := range rest {
		switch c {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return rest[:i]
			}
		}
	}
	t.Fatalf("%q does not end", begin)
	return ""
}

// entries are the quoted keys of a map that is indented by four spaces.
var entries = regexp.MustCompile(`(?m)^    "([a-z-]+)" = \{`)

func names(all [][]string) (list []string) {
	for _, m := range all {
		list = append(list, m[1])
	}
	slices.Sort(list)
	return list
}

// headings are those of every playbook.
var headings = []string{"## What it means", "## How to look", "## How to mend"}

func TestPlaybooks(t *testing.T) {
	t.Parallel()
	alerts := names(entries.FindAllStringSubmatch(block(t, read(t, "alerts.tf"), "  alerts ="), -1))
	alerts = append(alerts, "human-access") // audit.tf: of another form
	slices.Sort(alerts)
	files, err := filepath.Glob("playbooks/*")
	if err != nil {
		t.Fatal(err)
	}
	var playbooks []string
	for _, f := range files {
		playbooks = append(playbooks, strings.TrimSuffix(filepath.Base(f), ".md"))
	}
	if len(alerts) < 8 || !slices.Equal(alerts, playbooks) {
		t.Errorf("alerts:    %q\nplaybooks: %q", alerts, playbooks)
	}
	topics := regexp.MustCompile(`(?:publish|-topic) ([a-z]+)`)
	scripts := regexp.MustCompile(`\./(scripts/[a-z-]+)`)
	for _, f := range files {
		text := read(t, f)
		for _, h := range headings {
			if _, after, ok := strings.Cut(text, "\n"+h+"\n"); !ok || !strings.Contains(after, "    ") {
				t.Errorf("%s: nothing below %q", f, h)
			}
		}
		if len(text) > 8192 {
			t.Errorf("%s: Cloud Monitoring takes 8192 bytes with an alert, not %d", f, len(text))
		}
		if strings.Contains(text, "print-identity-token") {
			t.Errorf("%s: staff's ID tokens are not those of gcloud", f)
		}
		if strings.Contains(text, `log_id("access")`) && !strings.Contains(text, "--bucket lethe-access") {
			t.Errorf("%s: the access log is in a bucket of its own", f)
		}
		if strings.Contains(text, "httpRequest") && !strings.Contains(text, "http_load_balancer") {
			t.Errorf("%s: requests are in no log but the load balancer's", f)
		}
		if strings.Contains(text, "${") {
			t.Errorf("%s: Cloud Monitoring would replace ${…}", f)
		}
		for _, m := range topics.FindAllStringSubmatch(text, -1) {
			if !slices.Contains(topology.Topics(), m[1]) {
				t.Errorf("%s: %q is no topic", f, m[1])
			}
		}
		for _, m := range scripts.FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat("../" + m[1]); err != nil {
				t.Errorf("%s: %v", f, err)
			}
		}
	}
}

// code is the source of the functions, file by file.
func code(t *testing.T) (files []string) {
	t.Helper()
	for _, dir := range []string{"../functions", "../shared"} {
		err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
				files = append(files, read(t, path))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// TestLines: what a metric is made of, some function logs: the message, and in the same
// file the fields by name and the kinds of security events.
func TestLines(t *testing.T) {
	t.Parallel()
	lines := block(t, read(t, "monitoring.tf"), "  lines =")
	list := names(entries.FindAllStringSubmatch(lines, -1))
	if len(list) < 10 {
		t.Fatalf("%q", list)
	}
	message := regexp.MustCompile(`message += "([^"]+)"`)
	value := regexp.MustCompile(`value += "([a-z_]+)"`)
	field := regexp.MustCompile(`jsonPayload\.([a-z_]+)`)
	kind := regexp.MustCompile(`\\"([a-z]+\.[a-z]+)\\"`)
	files := code(t)
	for _, name := range list {
		def := block(t, lines, `"`+name+`" =`)
		m := message.FindStringSubmatch(def)
		if m == nil {
			t.Errorf("%s: no message", name)
			continue
		}
		want := []string{m[1]}
		for _, re := range []*regexp.Regexp{value, field, kind} {
			want = append(want, names(re.FindAllStringSubmatch(def, -1))...)
		}
		if !slices.ContainsFunc(files, func(src string) bool {
			return !slices.ContainsFunc(want, func(w string) bool { return !strings.Contains(src, `"`+w+`"`) })
		}) {
			t.Errorf("%s: no file logs %q", name, want)
		}
	}
}

// TestDeadLetters: the alert's pattern takes the dead letters of every topic.
func TestDeadLetters(t *testing.T) {
	t.Parallel()
	m := regexp.MustCompile(`full_match\(\\"([^"\\]+)\\"\)`).FindStringSubmatch(block(t, read(t, "alerts.tf"), `"dead-letters" =`))
	if m == nil {
		t.Fatal("no pattern")
	}
	pattern := regexp.MustCompile("^(?:" + m[1] + ")$")
	for _, topic := range topology.Topics() {
		if !pattern.MatchString(topology.DeadTopic(topic)) || pattern.MatchString(topic) {
			t.Errorf("%s: %s", topic, pattern)
		}
	}
}
