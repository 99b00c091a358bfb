package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/shared/topology"
)

// buildpackMain is the program that Google's Go buildpack makes of a package that
// registers functions and has its dependencies vendored. It stands in
// functions.local/app below the source
// (https://github.com/GoogleCloudPlatform/buildpacks, cmd/go/functions_framework).
const buildpackMain = `package main

import (
	"log"
	"net/http"
	"os"

	_ "github.com/lethe-analytics/lethe"

	"github.com/GoogleCloudPlatform/functions-framework-go/funcframework"
)

func main() {
	http.HandleFunc("/robots.txt", http.NotFound)
	http.HandleFunc("/favicon.ico", http.NotFound)
	if err := funcframework.Start(os.Getenv("PORT")); err != nil {
		log.Fatalf("Function failed to start: %v\n", err)
	}
}
`

// TestPackage packages every function, and two of them again from a copy with a change in
// one, whose zip alone is not the same to the byte. And each zip is built as Google builds
// it, without any network, and answers.
func TestPackage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	run := packager(t, dir)
	first, second := filepath.Join(dir, "1"), filepath.Join(dir, "2")
	run("../..", first, Folders())
	changed := filepath.Join(dir, "changed")
	copyTree(t, "../..", changed)
	file := filepath.Join(changed, "functions/report/function.go")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(text, "\n// Changed.\n"...), 0o644); err != nil {
		t.Fatal(err)
	}
	again := []string{"report", "store"}
	run(changed, second, again)
	for _, f := range again {
		if same := bytes.Equal(read(t, first, f), read(t, second, f)); same != (f != "report") {
			t.Errorf("%s: packaged again after a change in report, the same: %t", f, same)
		}
	}
	for _, f := range Folders() {
		source := filepath.Join(dir, "source", f)
		unzip(t, filepath.Join(first, f+".zip"), source)
		holdsTerms(t, source)
		_, err := os.Stat(filepath.Join(source, "vendor/cloud.google.com/go/storage"))
		if is, needs := err == nil, slices.Contains([]string{"admin", "delete", "export", "retention"}, f); is != needs {
			t.Errorf("%s: has Cloud Storage's client: %t", f, is)
		}
		program := build(t, source)
		for _, function := range topology.Functions {
			if function.Folder == f {
				answers(t, program, function.EntryPoint)
			}
		}
	}
}

// TestNeeds finds no function in need of another's package: a change in one is in its own
// zip alone.
func TestNeeds(t *testing.T) {
	t.Parallel()
	needed, err := needs("../..", Folders())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range Folders() {
		own := false
		for _, p := range needed[f] {
			if !p.Module.Main {
				continue
			}
			_, folder, _ := strings.Cut(p.ImportPath, "/functions/")
			folder, _, _ = strings.Cut(folder, "/")
			own = own || folder == f
			if folder != "" && folder != f {
				t.Errorf("%s needs %s", f, p.ImportPath)
			}
		}
		if !own {
			t.Errorf("%s does not need its own package: %d others", f, len(needed[f]))
		}
	}
}

// packager builds the program, as scripts/deploy does: under the race detector it would
// take minutes to compress.
func packager(t *testing.T, dir string) func(root, out string, folders []string) {
	t.Helper()
	program := filepath.Join(dir, "package")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags=-s", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return func(root, out string, folders []string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), program, append([]string{"-out", out}, folders...)...)
		cmd.Dir = root
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("package %s: %v\n%s", folders, err, text)
		}
	}
}

func read(t *testing.T, dir, folder string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, folder+".zip"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// copyTree copies what a package is made from.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	for _, name := range []string{"functions", "shared"} {
		if err := os.CopyFS(filepath.Join(to, name), os.DirFS(filepath.Join(from, name))); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"go.mod", "go.sum", "LICENSE"} {
		if err := copyFile(filepath.Join(from, name), filepath.Join(to, name)); err != nil {
			t.Fatal(err)
		}
	}
}

// unzip unpacks a zip. (Under the race detector, archive/zip would take most of the
// test's time.)
func unzip(t *testing.T, file, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("unzip", "-q", file, "-d", dir).CombinedOutput(); err != nil {
		t.Fatalf("unzip %s: %v\n%s", file, err, out)
	}
}

// holdsTerms finds the terms of use of each module that the zip has packages of.
func holdsTerms(t *testing.T, dir string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "vendor/modules.txt"))
	if err != nil {
		t.Fatal(err)
	}
	modules := 0
	for part := range strings.SplitSeq("\n"+string(text), "\n# ") {
		module, _, _ := strings.Cut(part, " ")
		lines := strings.Split(strings.TrimSpace(part), "\n")
		if last := lines[len(lines)-1]; module == "" || strings.HasPrefix(last, "##") || len(lines) == 1 {
			continue // no package of it
		}
		modules++
		files, err := os.ReadDir(filepath.Join(dir, "vendor", module))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(files, func(f os.DirEntry) bool { return terms.MatchString(f.Name()) }) {
			t.Errorf("%s: no terms of use of %s", dir, module)
		}
	}
	if modules < 10 {
		t.Errorf("%s: packages of %d modules", dir, modules)
	}
}

// build builds what was in a zip as the buildpack does.
func build(t *testing.T, dir string) (program string) {
	t.Helper()
	app := filepath.Join(dir, "functions.local/app")
	if err := os.MkdirAll(app, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(app, "main.go"), []byte(buildpackMain), 0o644); err != nil {
		t.Fatal(err)
	}
	program = filepath.Join(dir, "program")
	// Without the paths of this machine, the packages of one zip need not be compiled
	// again for the next.
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s", "-o", program, app)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=vendor", "GOPROXY=off", "GOWORK=off", "GOTOOLCHAIN=local")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", dir, err, out)
	}
	return program
}

// answers starts a program as the platform does and wants an answer, which without
// any configuration is that the function could not start.
func answers(t *testing.T, program, entryPoint string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program)
	cmd.Env = []string{"FUNCTION_TARGET=" + entryPoint, fmt.Sprint("PORT=", port)}
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for ; ctx.Err() == nil; <-tick.C {
		resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/", port))
		if err != nil {
			continue
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(body), "could not start") {
			t.Errorf("%s: %d %s %v", entryPoint, resp.StatusCode, body, err)
		}
		return
	}
	t.Errorf("%s does not answer:\n%s", entryPoint, &output)
}
