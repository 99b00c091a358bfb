package openapi_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/openapi"
)

func operations(t *testing.T) map[string]openapi.Operation {
	t.Helper()
	groups, err := openapi.Reference()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]openapi.Operation{}
	for _, g := range groups {
		for _, o := range g.Operations {
			all[o.Method+" "+o.Path] = o
		}
	}
	return all
}

// TestEndpoints compares the description with the table of endpoints, both ways.
func TestEndpoints(t *testing.T) {
	t.Parallel()
	described := operations(t)
	for _, e := range access.Endpoints {
		name := e.Method + " " + strings.Replace(e.Path, "...}", "}", 1)
		o, ok := described[name]
		if !ok {
			t.Errorf("%s is not described", name)
			continue
		}
		delete(described, name)
		staff := make([]string, len(e.Staff))
		for i, r := range e.Staff {
			staff[i] = string(r)
		}
		slices.Sort(staff)
		slices.Sort(o.Staff)
		if o.Auth != string(e.Auth) || o.Role != string(e.Role) || o.Action != e.Action || !slices.Equal(o.Staff, staff) {
			t.Errorf("%s: described as %q %q %q %q, is %q %q %q %q", name, o.Auth, o.Role, o.Action, o.Staff, e.Auth, e.Role, e.Action, staff)
		}
	}
	for name := range described {
		t.Errorf("%s is described, and is no endpoint", name)
	}
}

// TestDocument holds the description against OpenAPI 3.1's own schema.
func TestDocument(t *testing.T) {
	t.Parallel()
	doc, err := libopenapi.NewDocument(openapi.YAML)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := doc.BuildV3Model(); err != nil { // follows every reference
		t.Fatal(err)
	}
	v, errs := validator.NewValidator(doc)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if ok, faults := v.ValidateDocument(); !ok {
		for _, f := range faults {
			t.Error(f.Message, f.Reason)
			for _, s := range f.SchemaValidationErrors {
				t.Error(s.FieldPath, s.Reason)
			}
		}
	}
}

// TestReference shows that a reader finds what is needed: each operation has a text,
// an answer, and a body told field by field.
func TestReference(t *testing.T) {
	t.Parallel()
	ids := map[string]bool{}
	for name, o := range operations(t) {
		if o.Summary == "" || o.ID == "" || ids[o.ID] || len(o.Responses) == 0 {
			t.Errorf("%s: %q %q, %d responses", name, o.ID, o.Summary, len(o.Responses))
		}
		ids[o.ID] = true
		for _, p := range o.Parameters {
			if strings.Contains(p.Type, `""`) { // of an enum with an empty value
				t.Errorf("%s: parameter %s has the type %s", name, p.Name, p.Type)
			}
		}
		for _, r := range o.Responses {
			if r.Description == "" {
				t.Errorf("%s: %s has no description", name, r.Status)
			}
		}
	}
	o := operations(t)["POST /v1/exports"]
	want := openapi.Field{Name: "distinct_ids", Type: "list of string", Description: "Persons.", Required: true}
	if o.Body == nil || !slices.Contains(o.Body.Fields, want) || !strings.Contains(o.Body.Example, `"ada"`) || o.Body.Schema != "NewExport" || !o.Body.Required {
		t.Errorf("body of POST /v1/exports: %+v", o.Body)
	}
	s := operations(t)["GET /v1/reports/segmentation"]
	if !slices.Contains(s.Parameters, openapi.Parameter{Name: "unit", In: "query", Type: "day | hour | week | month", Description: "Weeks begin on Monday."}) {
		t.Errorf("parameters: %+v", s.Parameters)
	}
	if i := slices.IndexFunc(s.Responses, func(r openapi.Response) bool { return r.Status == "200" }); i < 0 ||
		!slices.ContainsFunc(s.Responses[i].Body.Fields, func(f openapi.Field) bool { return f.Name == "series[].points[].count" && f.Type == "integer" }) {
		t.Errorf("responses: %+v", s.Responses)
	}
}

// TestLight shows that no function carries what validates.
func TestLight(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "../../functions/...", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, heavy := range []string{"jsonschema", "libopenapi", "/openapi/check", "/emulators"} {
		for line := range strings.Lines(string(out)) {
			if strings.Contains(line, heavy) {
				t.Errorf("a function imports %s", line)
			}
		}
	}
}
