package project_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/project"
)

func TestCreate(t *testing.T) {
	t.Parallel()
	n := local.NewTenant(t, nil)
	got, err := project.Get(t.Context(), n.Default, "app")
	if err != nil || got.RetentionDays != project.DefaultRetentionDays || len(got.Secret) != 32 {
		t.Errorf("%+v, %v", got, err)
	}
	var intake project.Intake
	doc, err := n.Edge.Doc("projects/app").Get(t.Context())
	if err != nil || doc.DataTo(&intake) != nil || string(intake.Secret) != string(got.Secret) || intake.Consent.Default != got.Consent.Default {
		t.Errorf("edge: %+v, %v", intake, err)
	}
	if _, err := project.Create(t.Context(), n.Databases, project.Project{ID: "app"}); fault.Of(err) != fault.Conflict {
		t.Errorf("created twice: %v", err)
	}
	for _, id := range []string{"", "a", "A", "a/b", "1a", strings.Repeat("a", 64)} {
		if _, err := project.Create(t.Context(), n.Databases, project.Project{ID: id}); fault.Of(err) != fault.Invalid {
			t.Errorf("id %q: %v", id, err)
		}
	}
	if _, err := project.Get(t.Context(), n.Default, "other"); fault.Of(err) != fault.NotFound {
		t.Errorf("unknown project: %v", err)
	}
}

func TestAuthenticate(t *testing.T) {
	t.Parallel()
	n := local.NewTenant(t, nil)
	reader, err := project.NewKey(t.Context(), n.Default, "app", project.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if err := project.AddKey(t.Context(), n.Default, "expired", project.Key{Project: "app", Role: project.Admin, Expires: time.Now().Add(-time.Second)}); err != nil {
		t.Fatal(err)
	}
	if err := project.AddKey(t.Context(), n.Default, "odd", project.Key{Project: "app", Role: "owner"}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		header string
		role   project.Role
		kind   fault.Kind // empty: let in
	}{
		"admin":          {"Bearer " + n.Key, project.Admin, ""},
		"admin reads":    {"bearer " + n.Key, project.Reader, ""},
		"reader":         {"Bearer " + reader, project.Reader, ""},
		"reader as more": {"Bearer " + reader, project.Privacy, fault.Forbidden},
		"unknown role":   {"Bearer odd", project.Reader, fault.Forbidden},
		"expired":        {"Bearer expired", project.Reader, fault.Unauthorized},
		"unknown":        {"Bearer nope", project.Reader, fault.Unauthorized},
		"SDK token":      {"Bearer " + n.Token, project.Reader, fault.Unauthorized},
		"basic":          {"Basic " + n.Key, project.Reader, fault.Unauthorized},
		"nothing":        {"", project.Reader, fault.Unauthorized},
		"long":           {"Bearer " + strings.Repeat("x", 10_000), project.Reader, fault.Unauthorized},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", c.header)
		caller, err := project.Authenticate(t.Context(), n.Default, r, c.role)
		if c.kind == "" && (err != nil || caller.Project != "app") || c.kind != "" && (err == nil || fault.Of(err) != c.kind) {
			t.Errorf("%s: %+v, %v", name, caller, err)
		}
	}
	if project.Role("").Includes("") || project.Role("owner").Includes(project.Reader) {
		t.Error("an unknown role includes something")
	}
}

// A person's key is no distinct_id in disguise, differs by project, and never
// takes a form that Firestore reserves.
func TestPersonKey(t *testing.T) {
	t.Parallel()
	a := person.MakeKey([]byte("secret"), "ann")
	if a != person.MakeKey([]byte("secret"), "ann") || a == person.MakeKey([]byte("other"), "ann") || a == person.MakeKey([]byte("secret"), "anN") ||
		len(a) != 32 || strings.ContainsAny(string(a), "/_.") {
		t.Errorf("%s", a)
	}
}
