package terraform

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// local are variables of the local system alone: production signs with Cloud KMS and
// IAM, and verifies and calls back for real.
var local = []string{
	"FIRESTORE_EMULATOR_HOST", "PUBSUB_EMULATOR_HOST", "STORAGE_EMULATOR_HOST", "LOGGING_EMULATOR_HOST",
	"LETHE_SIGNING_KEY_FILE", "LETHE_SIGNING_ACCOUNT", "LETHE_RECEIPT_KEY_FILE",
	"LETHE_ALLOW_LOOPBACK_CALLBACKS", "LETHE_STAFF_CERTS_URL", "LETHE_SMTP_PLAIN",
	"LETHE_STAFF_AUTH_URL", "LETHE_STAFF_TOKEN_URL",
}

// Each function gets the variables that it cannot do without, and none that it does
// not know.
func TestEnvironment(t *testing.T) {
	t.Parallel()
	c := load(t, ".")
	common := c.keys(t, attribute(t, c.locals["setup"], "environment"))
	for folder, body := range c.functions() {
		set := slices.Clone(common)
		for _, name := range []string{"environment", "secret_files", "secret_variables"} {
			if a := body.Attributes[name]; a != nil {
				set = append(set, c.keys(t, a.Expr)...)
			}
		}
		known := map[string]bool{}
		for _, pkg := range needs(t, "functions/"+folder) {
			for v := range codeOf(t, pkg).variables {
				known[v] = true
			}
		}
		for _, v := range set {
			if !known[v] || slices.Contains(local, v) {
				t.Errorf("%s does not know %s", folder, v)
			}
		}
		for _, v := range must(t, folder) {
			if !slices.Contains(set, v) {
				t.Errorf("%s must have %s", folder, v)
			}
		}
	}
}

// must are the variables that a folder has no default for, its own and those of what
// it opens.
func must(t *testing.T, folder string) []string {
	t.Helper()
	own := codeOf(t, "functions/"+folder)
	tags := maps.Clone(own.variables)
	tags["GOOGLE_CLOUD_PROJECT"] = ""
	if own.calls["access.OpenGuard"] || own.calls["staff.NewVerifier"] {
		maps.Copy(tags, codeOf(t, "shared/staff").variables)
	}
	if own.calls["objects.Open"] {
		tags["LETHE_BUCKET"] = ""
	}
	if own.calls["receipt.OpenKMS"] {
		tags["LETHE_RECEIPT_KMS_KEY"] = ""
	}
	var all []string
	for v, options := range tags {
		if !strings.Contains(options, "default") && !slices.Contains(local, v) {
			all = append(all, v)
		}
	}
	return all
}

// Each function may do what its code does, and no more.
func TestRights(t *testing.T) {
	t.Parallel()
	c := load(t, ".")
	for folder, body := range c.functions() {
		own := codeOf(t, "functions/"+folder)

		publishes := texts(value(t, body, "publishes"))
		endpoints := value(t, body, "endpoints")
		for _, name := range texts(endpoints) {
			if topic := field(endpoints.GetAttr(name), "topic"); topic != "" {
				publishes = append(publishes, topic+"-dead")
			}
		}
		same(t, folder+" publishes", publishes, sorted(own.topics))

		databases := map[string]bool{}
		for database, names := range map[string][]string{
			"(default)": {"gcp.OpenDatabases", "topology.DefaultDatabase"},
			"edge":      {"gcp.OpenDatabases", "topology.EdgeDatabase"},
		} {
			for _, name := range names {
				if own.calls[name] {
					databases[database] = true
				}
			}
		}
		same(t, folder+" opens", texts(value(t, body, "databases")), sorted(databases))

		audits := value(t, body, "audits")
		if got, want := !audits.IsNull() && audits.True(), own.calls["access.OpenGuard"] || own.calls["access.OpenLog"]; got != want {
			t.Errorf("%s: audits is %v, must be %v", folder, got, want)
		}

		// What is not granted by the module is named after the folder.
		var added []string
		for _, b := range c.blocks {
			if b.Type == "resource" && b.file == "function_"+folder+".tf" {
				added = append(added, b.Labels[0])
			}
		}
		var want []string
		for resource, calls := range map[string]bool{
			"google_storage_bucket_iam_member":      own.calls["objects.Open"],
			"google_kms_crypto_key_iam_member":      own.calls["receipt.OpenKMS"],
			"google_service_account_iam_member":     own.calls["objects.NewURLSigner"],
			"google_pubsub_subscription_iam_member": own.calls["letters.Sweeper"],
		} {
			if calls {
				want = append(want, resource)
			}
		}
		same(t, folder+" may", added, want)
	}
}

// The bucket that a function is told of is the one that it may use.
func TestBuckets(t *testing.T) {
	t.Parallel()
	c := load(t, ".")
	told := regexp.MustCompile(`LETHE_BUCKET\s+= google_storage_bucket\.([a-z_]+)\.name`)
	n := 0
	for folder, body := range c.functions() {
		var bucket []string
		if a := body.Attributes["environment"]; a != nil {
			bucket = told.FindStringSubmatch(source(t, a.Expr))
		}
		var may []string
		for _, b := range c.blocks {
			if b.Type == "resource" && b.file == "function_"+folder+".tf" && b.Labels[0] == "google_storage_bucket_iam_member" {
				may = append(may, source(t, b.Body.Attributes["bucket"].Expr))
			}
		}
		for _, m := range may {
			n++
			if bucket == nil || m != "google_storage_bucket."+bucket[1]+".name" {
				t.Errorf("%s may use %s and is told of %q", folder, m, bucket)
			}
		}
		if bucket != nil && len(may) == 0 {
			t.Errorf("%s is told of %s and may do nothing there", folder, bucket[1])
		}
	}
	if n == 0 {
		t.Error("no function may use a bucket")
	}
}

// README.md says who may do what.
func TestTable(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	c := load(t, ".")
	for folder, body := range c.functions() {
		_, row, found := strings.Cut(string(text), "\n| "+folder+" |")
		row, _, _ = strings.Cut(row, "\n")
		cells := strings.Split(row, "|")
		if !found || len(cells) < 4 {
			t.Errorf("README.md has no row of %s", folder)
			continue
		}
		databases := value(t, body, "databases")
		same(t, folder+" in README.md, databases", quoted(cells[0]), texts(databases))
		for _, d := range texts(databases) {
			if reads := strings.Contains(cells[0], "reads only"); reads != (field(databases, d) == "roles/datastore.viewer") {
				t.Errorf("%s: README.md is wrong about writing to %s", folder, d)
			}
		}
		same(t, folder+" in README.md, topics", quoted(cells[1]), texts(value(t, body, "publishes")))
		audits := value(t, body, "audits")
		if (!audits.IsNull() && audits.True()) != strings.Contains(cells[2], "writes logs") {
			t.Errorf("%s: README.md is wrong about logs", folder)
		}
	}
}

// quoted are the words in backquotes.
func quoted(s string) []string {
	var all []string
	for i, part := range strings.Split(s, "`") {
		if i%2 == 1 {
			all = append(all, part)
		}
	}
	return all
}

func keysOf(m map[string]*hclsyntax.Body) []string { return slices.Collect(maps.Keys(m)) }
