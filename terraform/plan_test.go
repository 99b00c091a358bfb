package terraform

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestPlan plans what example.tfvars asks for, with and without a load balancer: every
// resource of the configuration is there. It wants Terraform and the provider, of the
// registry or of the stand-in that scripts/test finds; where there is neither, scripts/test
// skips it by its name.
func TestPlan(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var resources []string
	for _, from := range []string{".", "modules", "playbooks"} {
		err := fs.WalkDir(os.DirFS(from), ".", func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				if from == "." && path != "." {
					return fs.SkipDir
				}
				return err
			}
			if path == "backend.tf" || strings.HasPrefix(path, ".") { // the state is not to be asked for
				return nil
			}
			text, err := os.ReadFile(filepath.Join(from, path))
			if err != nil {
				return err
			}
			to := filepath.Join(dir, from, path)
			if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
				return err
			}
			return os.WriteFile(to, text, 0o600)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	modules, err := filepath.Glob("modules/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range append(modules, ".") {
		for _, b := range load(t, folder).blocks {
			if b.Type == "resource" {
				resources = append(resources, strings.Join(b.Labels, "."))
			}
		}
	}
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "terraform", args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOGC=500") // a quarter of its time would be to collect garbage
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("terraform %s: %v\n%s", args[0], err, out)
		}
		return string(out)
	}
	run("init", "-input=false", "-no-color")
	example := []string{"plan", "-input=false", "-no-color", "-var", "project=lethe-example", "-var-file", "example.tfvars"}
	plan := run(example...)
	plan += run(append(example, "-var", "network=false", "-var", `invokers=["group:callers@example.com"]`)...)
	for _, r := range resources {
		if !strings.Contains(plan, r) {
			t.Errorf("the plan does not list %s", r)
		}
	}
	t.Logf("%d resources of the configuration", len(resources))
}
