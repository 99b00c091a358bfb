// Package terraform has no code: its tests hold the configuration here against the code
// that it deploys, both ways.
//
//	*.tf ─ hcl ─▶ modules of functions, resources ─┐
//	shared/topology, the source of functions/ ─────┴─▶ equal?
package terraform

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/topology"
)

// Every function, entry point, path and topic of the topology is deployed, and no other.
func TestFunctions(t *testing.T) {
	t.Parallel()
	var want, got []string
	line := func(f topology.Function) string {
		slices.Sort(f.Paths)
		return fmt.Sprintf("%s of %s: %s, topic %q, paths %s", f.Name, f.Folder, f.EntryPoint, f.Topic, f.Paths)
	}
	for _, f := range topology.Functions {
		f.Paths = slices.Clone(f.Paths)
		want = append(want, line(f))
	}
	c := load(t, ".")
	for folder, body := range c.functions() {
		endpoints := value(t, body, "endpoints")
		if name := value(t, body, "name").AsString(); name != folder {
			t.Errorf("module %s is named %s", folder, name)
		}
		for _, name := range texts(endpoints) {
			e := endpoints.GetAttr(name)
			f := topology.Function{Name: name, Folder: folder, EntryPoint: field(e, "entry_point"), Topic: field(e, "topic")}
			if e.Type().HasAttribute("paths") {
				f.Paths = texts(e.GetAttr("paths"))
			}
			got = append(got, line(f))
		}
	}
	same(t, "functions", got, want)
	same(t, "modules in local.modules", c.keys(t, c.locals["modules"]), keysOf(c.functions()))
}

// Subscriptions work as the topology says and the local system does.
func TestQueue(t *testing.T) {
	t.Parallel()
	c := load(t, "modules/function")
	push := c.resource(t, "google_pubsub_subscription", "push")
	dead := c.resource(t, "google_pubsub_subscription", "dead")
	seconds := func(d time.Duration) string { return strconv.Itoa(int(d.Seconds())) + "s" }
	for what, is := range map[string][2]string{
		"retention":            {value(t, push, "message_retention_duration").AsString(), seconds(topology.Retention)},
		"retention of dead":    {value(t, dead, "message_retention_duration").AsString(), seconds(topology.Retention)},
		"minimum backoff":      {value(t, push, "retry_policy", "minimum_backoff").AsString(), seconds(topology.MinBackoff)},
		"maximum backoff":      {value(t, push, "retry_policy", "maximum_backoff").AsString(), seconds(topology.MaxBackoff)},
		"deliveries":           {number(value(t, push, "dead_letter_policy", "max_delivery_attempts")), strconv.Itoa(topology.MaxDeliveries)},
		"acknowledgement":      {number(value(t, push, "ack_deadline_seconds")) + "s", seconds(topology.AckDeadline)},
		"acknowledgement dead": {number(value(t, dead, "ack_deadline_seconds")) + "s", seconds(topology.AckDeadline)},
		"name":                 {source(t, push.Attributes["name"].Expr), `"${each.value.topic}-${each.key}"`},
		"name of dead":         {source(t, c.resource(t, "google_pubsub_topic", "dead").Attributes["name"].Expr), `"${each.key}-dead"`},
	} {
		if is[0] != is[1] {
			t.Errorf("%s is %s, must be %s", what, is[0], is[1])
		}
	}
	if topology.PushSubscription("t", "f") != "t-f" || topology.DeadTopic("t") != "t-dead" {
		t.Error("the topology names subscriptions otherwise")
	}
}

func TestSchedules(t *testing.T) {
	t.Parallel()
	cron := map[string]time.Duration{"* * * * *": time.Minute, "0 * * * *": time.Hour, "30 * * * *": time.Hour, "0 3 * * *": 24 * time.Hour}
	var want, got []string
	for _, s := range topology.Schedules {
		want = append(want, fmt.Sprint(s.Topic, s.Every, s.Data))
	}
	job := load(t, ".").resource(t, "google_cloud_scheduler_job", "schedules")
	jobs := value(t, job, "for_each")
	for _, name := range texts(jobs) {
		j := jobs.GetAttr(name)
		got = append(got, fmt.Sprint(field(j, "topic"), cron[field(j, "at")], field(j, "data")))
	}
	same(t, "schedules", got, want)
}

// Names that the code gives to things of Google Cloud.
func TestNames(t *testing.T) {
	t.Parallel()
	c := load(t, ".")
	for _, has := range []struct{ text, want string }{
		{source(t, c.resource(t, "google_logging_project_sink", "access_log").Attributes["filter"].Expr), "/logs/" + access.LogName + `\"`},
		{source(t, c.resource(t, "google_logging_project_exclusion", "access_log").Attributes["filter"].Expr), "/logs/" + access.LogName + `\"`},
		{source(t, c.resource(t, "google_compute_backend_service", "functions").Attributes["custom_request_headers"].Expr), `"` + consent.RegionHeader + ":{client_region}"},
	} {
		if !strings.Contains(has.text, has.want) {
			t.Errorf("%s does not have %s", has.text, has.want)
		}
	}
	same(t, "databases", texts(value(t, c.resource(t, "google_firestore_database", "databases"), "for_each")),
		[]string{topology.DefaultDatabase, topology.EdgeDatabase})
}

// Of Google's providers there is one, and it asks in the name of the project: with a
// person's credentials some APIs, as that of budgets, answer nothing else.
func TestProvider(t *testing.T) {
	t.Parallel()
	n := 0
	for _, b := range load(t, ".").blocks {
		if b.Type != "provider" {
			continue
		}
		n++
		if b.Labels[0] != "google" || !value(t, b.Body, "user_project_override").True() || source(t, b.Body.Attributes["billing_project"].Expr) != "var.project" {
			t.Errorf("%s: provider %s does not ask in the name of the project", b.file, b.Labels[0])
		}
	}
	if n != 1 {
		t.Errorf("%d providers", n)
	}
}

// A function waits for all rights of the builder: it is built as soon as it is made.
func TestBuilder(t *testing.T) {
	t.Parallel()
	c := load(t, ".")
	if from := source(t, attribute(t, c.locals["setup"], "builder")); from != "local.builder" {
		t.Fatalf("functions are built by %s", from)
	}
	for _, b := range c.blocks {
		if b.file == "build.tf" && b.Type == "resource" && strings.HasSuffix(b.Labels[0], "_iam_member") &&
			!strings.Contains(source(t, c.locals["builder"]), strings.Join(b.Labels, ".")+".member,") {
			t.Errorf("local.builder does not wait for %s", strings.Join(b.Labels, "."))
		}
	}
}

var forbidden = regexp.MustCompile(`roles/(owner|editor|viewer|browser)"|iam_(binding|policy)"|allAuthenticatedUsers`)

// No role is primitive, no policy replaces what others have granted, and tokens of a
// service account are for itself alone.
func TestRoles(t *testing.T) {
	t.Parallel()
	for _, pattern := range []string{"*.tf", "modules/*/*.tf"} {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if m := forbidden.Find(text); m != nil {
				t.Errorf("%s has %s", file, m)
			}
		}
	}
	c := load(t, ".")
	added := source(t, c.locals["added_rights"])
	for _, b := range c.blocks {
		if b.Type != "resource" || !strings.Contains(b.Labels[0], "_iam_member") {
			continue
		}
		if strings.HasPrefix(b.file, "function_") && !strings.Contains(added, strings.Join(b.Labels, ".")+".role") {
			t.Errorf("%s: rights.tf does not name %s", b.file, strings.Join(b.Labels, "."))
		}
		if strings.Contains(source(t, b.Body.Attributes["role"].Expr), "TokenCreator") && b.Labels[0] != "google_service_account_iam_member" {
			t.Errorf("%s: %s makes tokens of others", b.file, b.Labels[1])
		}
	}
}

func number(v cty.Value) string { return v.AsBigFloat().Text('f', 0) }

// same reports what is in one list and not in the other.
func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	for _, g := range got {
		if !slices.Contains(want, g) {
			t.Errorf("%s: only Terraform has %s", what, g)
		}
	}
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Errorf("%s: Terraform lacks %s", what, w)
		}
	}
}
