package terraform_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// tool stands for each command that scripts/test calls: it writes down each call. Terraform
// gets its provider if $REGISTRY is empty or the stand-in was sourced, and otherwise says
// $REGISTRY. What starts a command, as emulators does, starts it.
const tool = `#!/usr/bin/env bash
echo "${0##*/} $*" >>"$CALLS"
case "${0##*/} $*" in
  "terraform version") echo Terraform v1.11.0 ;;
  "terraform -chdir=terraform init "*) [ -z "$REGISTRY" ] || [ "${STANDIN:-}" = works ] || { echo "$REGISTRY"; exit 1; } ;;
  *" -- "*) while [ "$1" != -- ]; do shift; done; shift; "$@" ;;
esac
`

// TestWithoutProvider runs scripts/test with such commands alone. Where no provider can be
// had it skips what needs one and nothing else, and says so twice. Any other fault of
// Terraform fails.
func TestWithoutProvider(t *testing.T) {
	t.Parallel()
	const (
		away   = "hashicorp/google: could not connect to\nregistry.terraform.io: failed to request discovery document"
		ready  = "Terraform does not get ready"
		passed = " all passed"
	)
	for name, c := range map[string]struct {
		registry, standin, required string

		skips bool
		exit  int
		says  string
	}{
		"registry":                {"", "", "", false, 0, passed},
		"registry, required":      {"", "", "required", false, 0, passed},
		"stand-in":                {away, "STANDIN=works", "", false, 0, passed},
		"broken stand-in":         {away, "STANDIN=broken", "", false, 1, ready},
		"stand-in does not build": {away, "STANDIN=x; return 1", "", false, 1, ""},
		"nothing":                 {away, "", "", true, 0, " all else passed"},
		"nothing, required":       {away, "", "required", false, 1, ready},
		"another fault":           {"Error: Unclosed configuration block", "", "", false, 1, "Unclosed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write := func(name, text string) {
				t.Helper()
				name = filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(name, []byte(text), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			for _, name := range strings.Fields("bin/go bin/gofmt bin/terraform bin/gcc bin/java bin/node bin/npm bin/curl bin/unzip bin/chromium-headless-shell " +
				"lethe/.lethe/staticcheck lethe/.lethe/emulators lethe/.lethe/indexes lethe/scripts/deploy") {
				write(name, tool)
			}
			write("lethe/scripts/test", read(t, "../scripts/test"))
			if c.standin != "" {
				write("shared/terraform-offline/env.sh", "export "+c.standin+"\n")
			}
			cmd := exec.CommandContext(t.Context(), filepath.Join(dir, "lethe/scripts/test"))
			cmd.Env = append(cmd.Environ(), "PATH="+dir+"/bin:"+os.Getenv("PATH"), "CALLS="+dir+"/calls", "REGISTRY="+c.registry, "STANDIN=", "LETHE_PROVIDER="+c.required)
			out, err := cmd.CombinedOutput()
			if exit := cmd.ProcessState.ExitCode(); exit != c.exit || !strings.Contains(string(out), c.says) {
				t.Fatalf("got exit %d (%v), want %d and %q:\n%s", exit, err, c.exit, c.says, out)
			}
			want := 0
			if c.skips {
				want = 2
			}
			if got := strings.Count(string(out), "SKIPPED: terraform test, and TestPlan of ./terraform."); got != want {
				t.Errorf("got %d lines of what is skipped, want %d:\n%s", got, want, out)
			}
			if c.exit != 0 {
				return
			}
			calls := read(t, dir+"/calls")
			for call, want := range map[string]bool{
				"go vet ": true, "go test -race ": true, "node --test ": true, "deploy -smoke": true,
				"terraform -chdir=terraform fmt -check": true,
				"terraform -chdir=terraform test":       !c.skips,
				" -skip":                                c.skips,
				" -skip=^TestPlan$ ":                    c.skips,
			} {
				if got := strings.Contains(calls, call); got != want {
					t.Errorf("%q called: %v, want %v:\n%s", call, got, want, calls)
				}
			}
		})
	}
}
