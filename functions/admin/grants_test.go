package admin_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/functions/admin"
	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/staff"
	"github.com/lethe-analytics/lethe/shared/webhook"
)

const exports = "/v1/exports"

// A member of staff is told the one thing that is missing, in order, and is let in
// once nothing is.
func TestWhatIsMissing(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	data := o.data(http.MethodGet, exports)
	const sue = "sue@example.com"
	missing := func(want string) {
		t.Helper()
		if p := local.Refused(t, o.as(sue, data, http.MethodGet, exports, ""), http.StatusForbidden); !strings.Contains(p.Detail, want) {
			t.Errorf("%q, want %q", p.Detail, want)
		}
	}
	allow := func(body string) {
		t.Helper()
		if rec := local.Call(t.Context(), o.api, http.MethodPut, "/v1/project/staff-access", o.Key, body); rec.Code != http.StatusOK {
			t.Fatal(rec.Body)
		}
	}
	old := time.Now().Add(-staff.TrainedFor - time.Hour)
	put := func(m staff.Member) {
		t.Helper()
		if _, err := staff.Ref(o.Default, sue).Set(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	signed := staff.Confidentiality{Version: "1", At: old}
	put(staff.Member{Role: staff.Support, Disabled: true})
	missing("disabled")
	put(staff.Member{Role: staff.Engineer})
	missing("the role is engineer")
	put(staff.Member{Role: staff.Support})
	missing("confidentiality")
	put(staff.Member{Role: staff.Support, Confidentiality: signed})
	missing("training in data protection is missing")
	put(staff.Member{Role: staff.Support, Confidentiality: signed, TrainingAt: old})
	missing("older than 365 days")
	o.member(sue, staff.Member{Role: staff.Support})
	missing("no live grant")
	g := o.ask(sue, "")
	missing("no live grant") // it is not approved yet
	if rec := o.as("sam@example.com", o.api, http.MethodPost, "/v1/grants/"+g.ID+"/approve", ""); rec.Code != http.StatusOK {
		t.Fatal(rec.Body)
	}
	allow(`{"allowed":false}`)
	missing("the customer forbids staff access")
	local.Refused(t, o.as(sue, o.api, http.MethodPost, "/v1/grants", `{"project":"app","reason":"r","ticket":"t","duration":"1h"}`), http.StatusForbidden)
	allow(`{"allowed":true}`)

	rec := o.as(sue, data, http.MethodGet, exports, "")
	actor := staff.Pseudonym(o.Project.Secret, sue)
	if want := `{"actor":"` + actor + `","project":"app","role":"privacy"}`; rec.Code != http.StatusOK || strings.TrimSpace(rec.Body.String()) != want {
		t.Errorf("%d %s, want %s", rec.Code, rec.Body, want)
	}
	last := o.Access(t)[0]
	if last.Actor != actor || last.ActorKind != access.ByStaff || last.Role != "support" || last.Grant != g.ID || last.Action != "export.list" || last.PersonCount != 1 {
		t.Errorf("%+v", last)
	}
	// What was refused is in the customer's log too.
	if n := len(slices.DeleteFunc(o.Access(t), func(e access.Entry) bool { return e.Action != "export.list" || e.Status != http.StatusForbidden })); n != 8 {
		t.Errorf("%d refused", n)
	}

	// No live grant opens another project, and none that is over opens its own.
	o.AddProject(t, "other")
	o.Project.ID = "other"
	missing("no live grant")
	o.Project.ID = "nosuch"
	missing("no live grant")
	o.Project.ID = "app"
	if _, err := staff.GrantRef(o.Default, g.ID).Set(t.Context(), staff.Grant{Project: "app", Member: sue, Status: staff.Approved, Purposes: []string{"export"}, Expires: time.Now().Add(-time.Second)}); err != nil {
		t.Fatal(err)
	}
	missing("no live grant")
}

// A grant is approved by another, ended by who may, told to the customer, and in its log.
func TestGrants(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	const sue, pat, sam = "sue@example.com", "pat@example.com", "sam@example.com"
	post := func(email, path string, want int) {
		t.Helper()
		if rec := o.as(email, o.api, http.MethodPost, path, ""); rec.Code != want {
			t.Fatalf("%s %s: %d %s, want %d", email, path, rec.Code, rec.Body, want)
		}
	}
	mine, pats := o.ask(sue, ""), o.ask(pat, "")
	post(sue, "/v1/grants/"+mine.ID+"/approve", 403) // role
	post(pat, "/v1/grants/"+pats.ID+"/approve", 403) // own
	post(sue, "/v1/grants/"+pats.ID+"/revoke", 403)
	post(pat, "/v1/grants/"+mine.ID+"/approve", 200)
	post(pat, "/v1/grants/"+mine.ID+"/approve", 200) // again is the same
	post(sam, "/v1/grants/"+mine.ID+"/approve", 409)
	post(sam, "/v1/grants/x/approve", 404)
	post(sam, "/v1/grants/0198e0b5-0000-7000-8000-000000000000/approve", 404)

	var list struct {
		Grants    []admin.Grant
		ToApprove []admin.Grant `json:"to_approve"`
	}
	local.Answered(t, o.as(sam, o.api, http.MethodGet, "/v1/grants", ""), &list)
	if len(list.Grants) != 0 || len(list.ToApprove) != 1 || list.ToApprove[0].ID != pats.ID || list.ToApprove[0].Email != pat {
		t.Errorf("%+v", list)
	}
	rec := local.Call(t.Context(), o.api, http.MethodGet, "/v1/grants", o.Key, "")
	local.Answered(t, rec, &list)
	g := list.Grants[1] // the older
	if len(list.Grants) != 2 || g.Status != "approved" || g.ExpiresAt.Sub(g.ApprovedAt) != 4*time.Hour || g.Member == "" || g.TrainingAt.IsZero() || g.ConfidentialityOf != "1" ||
		strings.Contains(rec.Body.String(), "@") {
		t.Errorf("%s", rec.Body)
	}
	other := o.AddProject(t, "other")
	key, err := project.NewKey(t.Context(), o.Default, other.ID, project.Admin)
	if err != nil {
		t.Fatal(err)
	}
	local.Refused(t, local.Call(t.Context(), o.api, http.MethodPost, "/v1/grants/"+g.ID+"/revoke", key, ""), 404)
	if rec := local.Call(t.Context(), o.api, http.MethodPost, "/v1/grants/"+g.ID+"/revoke", o.Key, ""); rec.Code != 200 {
		t.Fatal(rec.Body)
	}
	local.Refused(t, o.as(sue, o.data(http.MethodGet, exports), http.MethodGet, exports, ""), 403)
	post(sue, "/v1/grants/"+mine.ID+"/revoke", 200) // has ended already
	post(pat, "/v1/grants/"+pats.ID+"/revoke", 200)
	post(sam, "/v1/grants/"+pats.ID+"/approve", 409)

	told, _, err := webhook.Log(t.Context(), o.Default, "app", "")
	if err != nil {
		t.Fatal(err)
	}
	var events []string
	for _, d := range told {
		events = append(events, d.Type+" "+d.Event)
		if strings.Contains(d.Body, "@") {
			t.Error(d.Body)
		}
	}
	slices.Sort(events)
	want := []string{"grant.approved grant-approved-" + mine.ID, "grant.created grant-created-" + mine.ID, "grant.created grant-created-" + pats.ID,
		"grant.ended grant-ended-" + mine.ID, "grant.ended grant-ended-" + pats.ID}
	slices.Sort(want)
	if !slices.Equal(events, want) {
		t.Errorf("told %v, want %v", events, want)
	}
	actions := map[string]int{}
	for _, e := range o.Access(t) {
		if e.Status < 300 {
			actions[e.Action]++
		}
		if e.ActorKind == access.ByStaff && !strings.HasPrefix(e.Actor, "S-") {
			t.Errorf("%+v", e)
		}
	}
	if actions["grant.create"] != 2 || actions["grant.approve"] != 2 || actions["grant.revoke"] != 3 {
		t.Error(actions)
	}
	for _, bad := range []string{`{}`, `{"project":"nosuch","reason":"r","ticket":"t","duration":"1h"}`, `{"project":"app","reason":"r","ticket":"t","duration":"9h"}`,
		`{"project":"app","reason":"r","ticket":"t","duration":"-1h"}`, `{"project":"app","reason":"","ticket":"t","duration":"1h"}`,
		`{"project":"app","reason":"r","ticket":"t\n","duration":"1h"}`, `{"project":"app","reason":"r","ticket":"t","duration":"1h","purposes":["accesslog"]}`} {
		local.Refused(t, o.as(sue, o.api, http.MethodPost, "/v1/grants", bad), 400)
	}
	local.Refused(t, local.Call(t.Context(), o.api, http.MethodPost, "/v1/grants", o.Key, "{}"), 401)
}

// A grant is for its purposes: what is outside is refused, and raises a security event.
// Not parallel: it reads the log of the process.
func TestPurposes(t *testing.T) {
	o := newOffice(t)
	var lines bytes.Buffer
	old := slog.Default()
	slog.SetDefault(slog.New(slog.NewJSONHandler(&lines, nil)))
	defer slog.SetDefault(old)
	g := o.grant("sue@example.com", `,"purposes":["export"]`)
	if rec := o.as("sue@example.com", o.data(http.MethodGet, exports), http.MethodGet, exports, ""); rec.Code != 200 || lines.Len() > 0 {
		t.Error(rec.Body, lines.String())
	}
	p := local.Refused(t, o.as("sue@example.com", o.data(http.MethodGet, "/v1/deletions"), http.MethodGet, "/v1/deletions", ""), 403)
	if !strings.Contains(p.Detail, "the grant is for export; this is deletion.list") {
		t.Error(p.Detail)
	}
	if s := lines.String(); !strings.Contains(s, `"security_event":"grant.exceeded"`) || !strings.Contains(s, g.ID) || strings.Contains(s, "@") {
		t.Error(s)
	}
}

// The root enters the first members, and nobody changes their own record.
func TestStaff(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	put := func(by, email, body string, want int) {
		t.Helper()
		if rec := o.as(by, o.api, http.MethodPut, "/v1/staff/"+email, body); rec.Code != want {
			t.Errorf("%s puts %s: %d %s, want %d", by, email, rec.Code, rec.Body, want)
		}
	}
	whole := `{"role":"privacy-officer","confidentiality":{"version":"2","at":"2026-01-01T00:00:00Z"},"training_at":"2026-01-01T00:00:00Z"}`
	put(root, "New@example.com", whole, 200)
	put("new@example.com", "pat@example.com", `{"role":"support"}`, 200)
	put("pat@example.com", "new@example.com", whole, 403) // no officer any more
	put("new@example.com", "new@example.com", whole, 403) // own
	put("new@example.com", "sue@example.com", `{"role":"support","disabled":true}`, 200)
	put("sue@example.com", "new@example.com", whole, 403)
	put(root, root, whole, 200)
	put("nobody@example.com", root, whole, 403)
	for _, bad := range []string{`{}`, `{"role":"boss"}`, `{"role":"support","training_at":"2999-01-01T00:00:00Z"}`, `{"role":"support","confidentiality":{"version":"","at":"2026-01-01T00:00:00Z"}}`,
		`{"role":"support","confidentiality":{"version":"1"}}`, `{"role":"support","x":1}`} {
		put(root, "a@example.com", bad, 400)
	}
	put(root, "nobody", whole, 400)
	local.Refused(t, o.as(root, o.data(http.MethodGet, exports), http.MethodGet, exports, ""), 403) // as others
	var list struct{ Staff []admin.Member }
	local.Answered(t, o.as(root, o.api, http.MethodGet, "/v1/staff", ""), &list)
	i := slices.IndexFunc(list.Staff, func(m admin.Member) bool { return m.Email == "new@example.com" })
	if len(list.Staff) != 6 || i < 0 || list.Staff[i].ChangedBy != root || list.Staff[i].Confidentiality.Version != "2" {
		t.Errorf("%+v", list)
	}
	history, err := staff.Ref(o.Default, "new@example.com").Collection("history").Documents(t.Context()).GetAll()
	if err != nil || len(history) != 1 {
		t.Error(len(history), err)
	}
}
