package admin_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/functions/admin"
	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/identity"
	"github.com/lethe-analytics/lethe/shared/project"
)

const instructions = `{"consent":{"default":"denied","regions":{"US":"granted"},"gpc":true,"dnt":false},` +
	`"purposes":[{"name":"analytics","description":"How the app is used","basis":"consent"}],"data_regions":["europe-west3"],"user_ids":"uuid"}`

func (w *world) intake() (in project.Intake) {
	w.t.Helper()
	snap, err := w.Edge.Doc("projects/app").Get(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	if err := snap.DataTo(&in); err != nil {
		w.t.Fatal(err)
	}
	return in
}

func (w *world) history(query string) (v admin.Versions) {
	w.t.Helper()
	w.call(http.MethodGet, "/v1/project/settings/history"+query, w.Key, "", http.StatusOK, &v)
	return v
}

func TestSettings(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var p admin.Project
	w.call(http.MethodGet, "/v1/project", w.Key, "", http.StatusOK, &p)
	if p.ID != "app" || p.Name != "App" || p.CreatedAt.IsZero() || p.Settings.Number != 1 || p.Settings.Consent.Default != consent.Granted ||
		p.Retention.Days == nil || *p.Retention.Days != project.DefaultRetentionDays || !p.DPA.InForce {
		t.Errorf("%+v", p)
	}
	for range 2 { // the second changes nothing
		w.call(http.MethodPut, "/v1/project/settings", w.Key, instructions, http.StatusOK, &p)
		if s := p.Settings; s.Number != 2 || s.Consent.Default != consent.Denied || s.Consent.Regions["US"] != consent.Granted || len(s.Purposes) != 1 || s.Regions[0] != "europe-west3" || s.UserIDs != identity.UserIDsUUID {
			t.Errorf("%+v", s)
		}
	}
	if in := w.intake(); in.Consent.Default != consent.Denied || !in.Consent.GPC || in.UserIDs != identity.UserIDsUUID || string(in.Secret) != string(w.Project.Secret) || in.DPA.Version == "" {
		t.Errorf("%+v", in)
	}
	w.call(http.MethodPut, "/v1/project/settings", w.Key, strings.Replace(instructions, `{"consent"`, `{"version":1,"consent"`, 1), http.StatusOK, nil) // as they are
	other := strings.Replace(instructions, "europe-west3", "europe-west4", 1)
	w.call(http.MethodPut, "/v1/project/settings", w.Key, strings.Replace(other, `{"consent"`, `{"version":1,"consent"`, 1), http.StatusConflict, nil)
	w.call(http.MethodPut, "/v1/project/settings", w.Key, strings.Replace(other, `{"consent"`, `{"version":2,"consent"`, 1), http.StatusOK, nil)
	h := w.history("")
	if len(h.Versions) != 3 || h.Versions[0].Number != 3 || h.Versions[1].Regions[0] != "europe-west3" || h.Versions[1].By != project.Hash(w.Key)[:12] ||
		h.Versions[1].At.IsZero() || h.Versions[2].By != "" {
		t.Errorf("%+v", h)
	}
	if h = w.history("?cursor=2"); len(h.Versions) != 1 || h.Versions[0].Number != 1 {
		t.Errorf("%+v", h)
	}
	for _, bad := range []string{`{}`, strings.Replace(instructions, "denied", "unset", 1), strings.Replace(instructions, `"US"`, `"us"`, 1),
		strings.Replace(instructions, `"basis":"consent"`, `"basis":"because"`, 1), strings.Replace(instructions, "europe-west3", "Europe!", 1),
		strings.Replace(instructions, `"analytics"`, `""`, 1), strings.Replace(instructions, "data_regions", "regions", 1), strings.Replace(instructions, `"US":"granted"`, `"US":"unset"`, 1),
		strings.Replace(instructions, `"uuid"`, `"number"`, 1)} {
		w.call(http.MethodPut, "/v1/project/settings", w.Key, bad, http.StatusBadRequest, nil)
	}
	local.Refused(t, local.Call(t.Context(), w.api, http.MethodPut, "/v1/project/settings", w.newKey(project.Privacy), instructions), http.StatusForbidden)
}

// Whoever changes settings at the same time, each change is a version of its own, and
// the last of them is what edge has.
func TestConcurrentSettings(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const writers = 6
	var all sync.WaitGroup
	for i := range writers {
		all.Go(func() {
			body := strings.Replace(instructions, "europe-west3", fmt.Sprint("europe-west", 10+i), 1)
			if i%2 == 0 {
				body = strings.Replace(body, `"default":"denied"`, `"default":"granted"`, 1)
			}
			if rec := local.Call(t.Context(), w.api, http.MethodPut, "/v1/project/settings", w.Key, body); rec.Code != http.StatusOK {
				t.Errorf("%d %s", rec.Code, rec.Body)
			}
		})
	}
	all.Wait()
	h := w.history("").Versions
	regions := map[string]bool{}
	for i, v := range h[:len(h)-1] {
		regions[v.Regions[0]] = true
		if v.Number != len(h)-i {
			t.Errorf("version %d at %d", v.Number, i)
		}
	}
	if len(h) != 1+writers || len(regions) != writers {
		t.Fatal(len(h), regions)
	}
	if in := w.intake(); in.Consent.Default != h[0].Consent.Default || in.Revision != 1+writers {
		t.Errorf("edge: %+v, newest: %+v", in, h[0])
	}
}

// withoutEdge is the API where edge cannot be reached.
func (w *world) withoutEdge() http.Handler {
	w.t.Helper()
	db, err := gcp.OpenDatabases(w.t.Context(), w.Config)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = db.Default.Close() })
	if err := db.Edge.Close(); err != nil {
		w.t.Fatal(err)
	}
	stores := w.stores
	stores.Edge = db.Edge
	return admin.New(w.config, access.NewGuard(w.Default, w.log), stores)
}

func TestSettingsHeal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	local.Refused(t, local.Call(t.Context(), w.withoutEdge(), http.MethodPut, "/v1/project/settings", w.Key, instructions), http.StatusServiceUnavailable)
	if in, h := w.intake(), w.history("").Versions; in.Consent.Default != consent.Granted || len(h) != 2 {
		t.Errorf("%+v %+v", in, h)
	}
	w.call(http.MethodPut, "/v1/project/settings", w.Key, instructions, http.StatusOK, nil)
	if in, h := w.intake(), w.history("").Versions; in.Consent.Default != consent.Denied || len(h) != 2 {
		t.Errorf("%+v %+v", in, h)
	}
}

func TestDPA(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.AddProject(t, "other")
	get := func(key string) (a admin.Agreement) {
		t.Helper()
		w.call(http.MethodGet, "/v1/project/dpa", key, "", http.StatusOK, &a)
		return a
	}
	now := time.Now()
	later := project.DPA{Version: "2", TextSHA256: project.Hash("two"), URL: "https://example.com/dpa/2", EffectiveAt: now.Add(time.Hour)}
	if err := project.PublishDPA(t.Context(), w.Databases, later); err != nil {
		t.Fatal(err)
	}
	if a := get(w.Key); a.Current == nil || a.Current.Version != "1" || a.Accepted != "1" || !a.InForce || len(a.Upcoming) != 1 || a.Until.IsZero() {
		t.Errorf("%+v", a)
	}
	accept := func(version string, want int) {
		t.Helper()
		w.call(http.MethodPost, "/v1/project/dpa", w.Key, fmt.Sprintf(`{"version":%q,"accepted_by":{"name":"Ann Example","role":"CEO"}}`, version), want, nil)
	}
	accept("1", http.StatusOK)
	accept("3", http.StatusBadRequest)
	accept("2", http.StatusOK)
	accept("2", http.StatusOK)
	accept("1", http.StatusConflict)
	a := get(w.Key)
	if a.Accepted != "2" || !a.InForce || !a.Until.IsZero() || len(a.History) != 1 || a.History[0].AcceptedBy.Name != "Ann Example" ||
		a.History[0].TextSHA256 != later.TextSHA256 || a.History[0].By != project.Hash(w.Key)[:12] {
		t.Errorf("%+v", a)
	}
	if in := w.intake(); in.DPA.Version != "2" || in.Revision != 2 {
		t.Errorf("%+v", in)
	}
	// One that is in effect and not accepted.
	if err := project.PublishDPA(t.Context(), w.Databases, project.DPA{Version: "1.1", TextSHA256: project.Hash("1.1"), EffectiveAt: now.Add(-time.Minute)}); err != nil {
		t.Fatal(err)
	}
	theirs, err := project.NewKey(t.Context(), w.Default, other.ID, project.Admin)
	if err != nil {
		t.Fatal(err)
	}
	if a := get(theirs); a.Current.Version != "1.1" || a.Accepted != "1" || a.InForce {
		t.Errorf("%+v", a)
	}
	w.call(http.MethodPost, "/v1/project/dpa", theirs, `{"version":"1","accepted_by":{"name":"Bob","role":"CTO"}}`, http.StatusConflict, nil)
	for _, bad := range []string{`{}`, `{"version":"2"}`, `{"version":"2","accepted_by":{"name":"Ann"}}`, `{"version":"2","accepted_by":"Ann"}`} {
		w.call(http.MethodPost, "/v1/project/dpa", w.Key, bad, http.StatusBadRequest, nil)
	}
	later.URL += "/x"
	if err := project.PublishDPA(t.Context(), w.Databases, later); err == nil {
		t.Error("a version is published anew")
	}
	for _, e := range w.Access(t) {
		if strings.Contains(fmt.Sprint(e), "Example") {
			t.Errorf("%+v", e)
		}
	}
}
