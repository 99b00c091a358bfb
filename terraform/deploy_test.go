package terraform_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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

// cloud stands for the commands that scripts/deploy calls: it writes down each call, and
// answers for a project that is new ($SECRETS empty) or has its secrets, and of which the
// certificate is that far ($CERTIFICATE; empty: there is no load balancer).
const cloud = `#!/bin/sh
set -- "${0##*/}" "$@"
echo "$*" >>"$CALLS"
case "$*" in
  "gcloud billing projects describe"*) echo True ;;
  "gcloud storage buckets describe"*) [ -n "$SECRETS" ] ;;
  "gcloud secrets versions list"*) echo "$SECRETS" ;;
  "gcloud compute ssl-certificates describe lethe-1 --global --project lethe-test "*) echo "$CERTIFICATE" ;;
  "gcloud auth print-identity-token --audiences "*) false ;;
  "gcloud auth print-identity-token") echo me ;;
  "terraform -chdir=terraform output -raw certificate") [ -n "$CERTIFICATE" ] && echo lethe-1 ;;
  "terraform -chdir=terraform output -raw address") echo 192.0.2.1 ;;
  "terraform -chdir=terraform output -raw "*_url)
    url=${5%_url}
    [ -z "$CERTIFICATE" ] || url=lethe
    echo "https://$url.example.com" ;;
  "curl "*top-events*) printf 401 ;;
  "curl "*/track*) echo '{"status":0}' ;;
esac
`

// TestDeploy: a new project gets what Terraform cannot do without before it is asked, and
// stops for its secrets; later nothing is applied but what somebody has said yes to.
func TestDeploy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"gcloud", "terraform", "go", "curl"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(cloud), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	vars := filepath.Join(dir, "vars.tfvars")
	if err := os.WriteFile(vars, []byte("bucket_location = \"US\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, secrets, certificate, answer string

		exit  int
		calls []string // beginnings of some, in this order
		not   string
		says  string
	}{
		{"new", "", "", "", 1, []string{
			"gcloud services enable serviceusage.googleapis.com cloudresourcemanager.googleapis.com --project lethe-test",
			"gcloud storage buckets create gs://lethe-test-lethe-state --project lethe-test --location US",
			"go run ./scripts/package",
			"terraform -chdir=terraform init",
			"terraform -chdir=terraform apply -var project=lethe-test -var-file " + vars + " -target google_secret_manager_secret.secrets",
		}, "terraform -chdir=terraform plan", "gcloud secrets versions add lethe-access-log-key"},
		{"no", "1", "ACTIVE", "y", 1, []string{"go run ./scripts/package", "terraform -chdir=terraform plan"}, "terraform -chdir=terraform apply", "nothing is applied"},
		{"yes", "1", "ACTIVE", "yes", 0, []string{
			"gcloud services enable", "terraform -chdir=terraform plan", "terraform -chdir=terraform apply -input=false",
			"gcloud storage cp " + vars + " gs://lethe-test-lethe-state/terraform.tfvars",
			"curl -sS -m 20 -o /dev/null -w %{http_code} https://lethe.example.com/v1/reports/top-events", "curl -sS -m 20 https://lethe.example.com/track",
		}, "gcloud storage buckets create", "ingest and report answer"},
		{"no certificate yet", "1", "PROVISIONING", "yes", 0, []string{"terraform -chdir=terraform apply -input=false"}, "curl",
			"    lethe.example.com. A 192.0.2.1\nSet it, if it is not set; the certificate can then take an hour. Afterwards try Lethe out:\n    LETHE_URL=https://lethe.example.com scripts/deploy -smoke\n"},
		{"no load balancer", "1", "", "yes", 0, []string{
			"terraform -chdir=terraform apply -input=false",
			"curl -sS -m 20 -H X-Serverless-Authorization: Bearer me -o /dev/null -w %{http_code} https://report.example.com/v1/reports/top-events",
			"curl -sS -m 20 https://ingest.example.com/track",
		}, "ssl-certificates", "ingest and report answer"},
	} {
		log := filepath.Join(dir, c.name)
		cmd := exec.CommandContext(t.Context(), "../scripts/deploy", "-project", "lethe-test", "-vars", vars)
		cmd.Env = append(cmd.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "CALLS="+log, "SECRETS="+c.secrets, "CERTIFICATE="+c.certificate, "LETHE_TOKEN=", "LETHE_KEY=")
		cmd.Stdin = strings.NewReader(c.answer + "\n")
		out, err := cmd.CombinedOutput()
		if exit := cmd.ProcessState.ExitCode(); exit != c.exit || !strings.Contains(string(out), c.says) {
			t.Errorf("%s: %v %s", c.name, err, out)
		}
		calls := strings.Split(read(t, log), "\n")
		for _, want := range c.calls {
			i := slices.IndexFunc(calls, func(call string) bool { return strings.HasPrefix(call, want) })
			if i < 0 {
				t.Errorf("%s: not called, or not in time: %s", c.name, want)
				continue
			}
			calls = calls[i+1:]
		}
		if strings.Contains(read(t, log), c.not) {
			t.Errorf("%s: called: %s", c.name, c.not)
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
