package terraform_test

import (
	"errors"
	"os/exec"
	"strings"
	"testing"
)

// TestDeployRefuses: what can't be meant is refused before anything is asked of Google.
func TestDeployRefuses(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"":                            "must be a project id",
		"-project":                    "needs a value",
		"-project X":                  "must be a project id",
		"-project a;reboot":           "must be a project id",
		"-project lethe-test -force":  "unknown argument",
		"-project lethe-test":         "there is no terraform/lethe-test.tfvars",
		"-project lethe-test -vars x": "there is no x",
		"-smoke now":                  "stands alone",
	} {
		out, err := exec.CommandContext(t.Context(), "../scripts/deploy", strings.Fields(args)...).CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 2 || !strings.Contains(string(out), want) {
			t.Errorf("%q: %v %s", args, err, out)
		}
	}
}

// TestCloudBuildInputs runs the first step of cloudbuild.yaml, which must refuse what
// the later ones would trust. Whatever it accepts it asks Google for.
func TestCloudBuildInputs(t *testing.T) {
	t.Parallel()
	_, step, ok := strings.Cut(read(t, "../cloudbuild.yaml"), "script: |\n")
	step, _, more := strings.Cut(step, "\n\n")
	if !ok || !more {
		t.Fatal("no first step")
	}
	build := "0b5a6c1e-8a47-4b5e-9d0c-2f1f6a3f7b11"
	for _, c := range []struct {
		action, plan, project, state string
		want                         string
	}{
		{"plan", "", "lethe-test", "lethe-test-lethe-state", "asked ls gs://lethe-test-lethe-state/terraform.tfvars"},
		{"apply", build, "lethe-test", "state", "asked ls gs://state/plans/" + build + "/plan"},
		{"check", "", "lethe-test", "state", ""},
		{"check", build, "lethe-test", "state", "_PLAN"},
		{"plan", build, "lethe-test", "state", "_PLAN"},
		{"apply", "", "lethe-test", "state", "_PLAN"},
		{"apply", "../other", "lethe-test", "state", "_PLAN"},
		{"destroy", "", "lethe-test", "state", "_ACTION"},
		{"plan", "", "$(reboot)", "state", "_PROJECT"},
		{"plan", "", "lethe-test", "state/x", "_STATE"},
	} {
		cmd := exec.CommandContext(t.Context(), "bash", "-c", "gcloud() { shift; echo asked $*; }\n"+step)
		cmd.Env = append(cmd.Environ(), "_ACTION="+c.action, "_PLAN="+c.plan, "_PROJECT="+c.project, "_STATE="+c.state)
		out, err := cmd.CombinedOutput()
		if got := strings.TrimSpace(string(out)); (err != nil) != strings.HasPrefix(c.want, "_") || !strings.HasPrefix(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%+v: %v %s", c, err, got)
		}
	}
}
