package terraform

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const modulePath = "github.com/lethe-analytics/lethe/"

// code is what the source of a package names.
type code struct {
	variables map[string]string // environment variable → options of its tag; "" if read by hand
	calls     map[string]bool   // pkg.Name of what is called or used of other packages
	topics    map[string]bool   // topics, dead letters among them, by name
	text      string            // string literals
}

// packages lists this module's packages, each with what it needs.
var packages = sync.OnceValues(func() (map[string][]string, error) {
	cmd := exec.Command("go", "list", "-json=ImportPath,Deps", "./functions/...", "./shared/...")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	all := map[string][]string{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath string
			Deps       []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		p.Deps = slices.DeleteFunc(p.Deps, func(d string) bool { return !strings.HasPrefix(d, modulePath) })
		all[strings.TrimPrefix(p.ImportPath, modulePath)] = p.Deps
	}
})

// needs are the packages of this module that one needs, itself included.
func needs(t *testing.T, pkg string) []string {
	t.Helper()
	all, err := packages()
	if err != nil {
		t.Fatal(err)
	}
	list := []string{pkg}
	for _, d := range all[pkg] {
		list = append(list, strings.TrimPrefix(d, modulePath))
	}
	return list
}

var (
	tag      = regexp.MustCompile(`env:"([A-Z_]+)([^"]*)"`)
	variable = regexp.MustCompile(`^(LETHE_[A-Z_]+|[A-Z]+_EMULATOR_HOST)$`)
)

var readCode sync.Map // package → *code

func codeOf(t *testing.T, pkg string) *code {
	t.Helper()
	if known, ok := readCode.Load(pkg); ok {
		return known.(*code)
	}
	c := &code{variables: map[string]string{}, calls: map[string]bool{}, topics: map[string]bool{}}
	files, err := filepath.Glob(filepath.Join("..", pkg, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		c.read(t, parsed)
	}
	readCode.Store(pkg, c)
	return c
}

func (c *code) read(t *testing.T, file *ast.File) {
	dead := map[*ast.SelectorExpr]bool{}
	kinds := false // of requests, each of which has a topic
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BasicLit:
			if n.Kind != token.STRING {
				return true
			}
			text, err := strconv.Unquote(n.Value)
			if err != nil {
				return true
			}
			c.text += text + "\n"
			for _, m := range tag.FindAllStringSubmatch(text, -1) {
				c.variables[m[1]] = m[2]
			}
			if _, known := c.variables[text]; !known && variable.MatchString(text) {
				c.variables[text] = "default"
			}
		case *ast.CallExpr:
			sel, ok := n.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			kinds = kinds || sel.Sel.Name == "Topic" && len(n.Args) == 0
			if sel.Sel.Name == "DeadTopic" {
				if of, ok := n.Args[0].(*ast.SelectorExpr); ok {
					dead[of] = true
				}
			}
		case *ast.SelectorExpr:
			pkg, ok := n.X.(*ast.Ident)
			if !ok {
				return true
			}
			c.calls[pkg.Name+"."+n.Sel.Name] = true
			if name := topics(t)[n.Sel.Name]; pkg.Name == "topology" && name != "" {
				if dead[n] {
					name += "-dead"
				}
				c.topics[name] = true
			}
		}
		return true
	})
	if kinds { // kind.Topic() of every kind that the file names
		for constant, topic := range map[string]string{"Export": "TopicExports", "Deletion": "TopicDeletions", "Rectification": "TopicRectifications"} {
			if c.calls["request."+constant] {
				c.topics[topics(t)[topic]] = true
			}
		}
	}
}

var topicNames = sync.OnceValues(func() (map[string]string, error) {
	parsed, err := parser.ParseFile(token.NewFileSet(), "../shared/topology/topology.go", nil, 0)
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	ast.Inspect(parsed, func(n ast.Node) bool {
		if s, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(s.Names[0].Name, "Topic") && len(s.Values) == 1 {
			if lit, ok := s.Values[0].(*ast.BasicLit); ok {
				names[s.Names[0].Name] = strings.Trim(lit.Value, `"`)
			}
		}
		return true
	})
	return names, nil
})

// topics are the constants of topology: Go name → topic.
func topics(t *testing.T) map[string]string {
	t.Helper()
	names, err := topicNames()
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	return names
}

func sorted(m map[string]bool) []string { return slices.Sorted(maps.Keys(m)) }
