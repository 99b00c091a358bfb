package report_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/functions/report"
	"github.com/lethe-analytics/lethe/shared/project"
)

func TestRoles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	q := query("event", "Seen", "from", "2026-02-01", "to", "2026-02-01")
	for _, role := range []project.Role{project.Reader, project.Privacy, project.Admin} {
		if rec := w.get(segmentationPath, q, w.newKey(role)); rec.Code != http.StatusOK {
			t.Errorf("%s: %d %s", role, rec.Code, rec.Body)
		}
	}
	expired := "lethe_expired"
	if err := project.AddKey(t.Context(), w.Default, expired, project.Key{Project: "app", Role: project.Admin, Expires: time.Now().Add(-time.Second)}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{segmentationPath, topPath} {
		for _, key := range []string{"", "lethe_no", expired, strings.Repeat("x", 300)} {
			rec := w.get(path, q, key)
			w.refused(rec, http.StatusUnauthorized)
			if !strings.HasPrefix(rec.Header().Get("WWW-Authenticate"), "Bearer") {
				t.Error(rec.Header())
			}
		}
		w.refused(w.get(path, q, w.newKey("writer")), http.StatusForbidden)
	}
	// Who may not ask learns nothing of what is wrong with the question.
	w.refused(w.get(segmentationPath, query("x", "y"), "lethe_no"), http.StatusUnauthorized)
}

func TestPathsAndMethods(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{"POST", segmentationPath, 405}, {"DELETE", topPath, 405}, {"GET", "/v1/reports", 404}, {"GET", "/v1/reports/", 404},
		{"GET", "/v1/reports/cohort", 404}, {"POST", "/", 404}, {"GET", segmentationPath + "/x", 404},
	} {
		rec := w.serve(httptest.NewRequest(c.method, c.path, nil))
		w.refused(rec, c.status)
		if allow := rec.Header().Get("Allow"); (c.status == 405) != (allow == "GET, HEAD") {
			t.Errorf("%s %s: Allow %q", c.method, c.path, allow)
		}
	}
}

// An empty parameter is an absent one, but for those that must be there.
func TestEmptyParameters(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var a report.Segmentation
	w.answered(w.get(segmentationPath, query("event", "Seen", "from", "2026-02-01", "to", "2026-02-02", "unit", "", "limit", "", "by", "", "where", "")), &a)
	if a.Unit != "day" || len(a.Series) != 1 {
		t.Errorf("%+v", a)
	}
}

func TestBadQuestions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const good = "event=Seen&from=2026-02-01&to=2026-02-02"
	const some = "from=2026-02-01&to=2026-02-02"
	for _, c := range []struct {
		query string
		names string // of the fields at fault, in order
	}{
		{"", "from to"},
		{"event=Seen", "from to"},
		{"event=&" + some, "event"},
		{"event=Seen&event=Seen&" + some, "event"},
		{some + strings.Repeat("&event=a", 11), "event"},
		{"event=" + strings.Repeat("x", 2000) + "&" + some, "event"},
		{"event=%ff&" + some, "event"},
		{"event=Seen&from=2026-02-01&to=2026-01-31", "from"},
		{"event=Seen&from=2026-02-30&to=01.02.2026", "from to"},
		{"event=Seen&from=2026-2-1&to=2026-02-01T00:00:00Z", "from to"},
		{"event=Seen&from=&to=", "from to"},
		{"event=Seen&from=1969-12-31&to=2026-02-01", "from"},
		{good + "&unit=minute", "unit"},
		{good + "&unit=day&unit=day", "unit"},
		{good + "&measure=mode", "measure"},
		{good + "&measure=average", "on"},
		{good + "&on=amount", "on"},
		{good + "&tz=Mars%2FBase", "tz"},
		{good + "&tz=Local", "tz"},
		{good + "&tz=..%2F..%2Fetc%2Fpasswd", "tz"},
		{good + "&limit=0", "limit"},
		{good + "&limit=1001", "limit"},
		{good + "&limit=%2B5", "limit"},
		{good + "&limit=ten", "limit"},
		{good + "&by=a&by=b", "by"},
		{good + "&by=" + strings.Repeat("x", 2000), "by"},
		{good + "&where=1%20%3D%201", "where"},
		{good + "&where=true&where=true", "where"},
		{good + "&where=" + strings.Repeat("%20", 5000), "where"},
		{good + "&from=2026-02-01", "from"},
		{good + "&colour=red&shade=", "colour shade"},
		{good + "&%ff=1", "…"},
		{good + "&" + strings.Repeat("y", 300) + "=1", strings.Repeat("y", 40) + "…"},
		{good + "&a%zz=1", "query"},
		{good + ";x=1", "query"},
		{"event=Seen&from=2020-01-01&to=2026-01-01&unit=hour", "unit"},
		{"event=Seen&from=2020-01-01&to=2026-01-01", "unit"},
		{"event=Seen&from=2020-01-01&to=2025-01-01&by=x&limit=500", "limit"},
		{"from=x&unit=x&measure=x&limit=x&where=%28&z=1", "measure limit from to unit where z"},
	} {
		r := w.request(segmentationPath, nil)
		r.URL.RawQuery = c.query
		rec := w.serve(r)
		p := w.refused(rec, http.StatusBadRequest)
		got := map[string]bool{}
		for _, f := range p.Errors {
			got[f.Name] = true
			if f.Detail == "" {
				t.Errorf("%.80s: no detail for %s", c.query, f.Name)
			}
		}
		for _, name := range strings.Fields(c.names) {
			if !got[name] {
				t.Errorf("%.80s: nothing said of %s: %+v", c.query, name, p)
			}
			delete(got, name)
		}
		if len(got) > 0 {
			t.Errorf("%.80s: also %v: %+v", c.query, got, p)
		}
	}
}

func TestBadWherePointsAtTheColumn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.refused(w.get(segmentationPath, query("event", "Seen", "from", "2026-02-01", "to", "2026-02-02", "where", `properties["é"] = 1`)), http.StatusBadRequest)
	if len(p.Errors) != 1 || p.Errors[0].Name != "where" || p.Errors[0].Column != 17 || !strings.Contains(p.Detail, "column 17") {
		t.Errorf("%+v", p)
	}
}

func TestBadTopEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for q, name := range map[string]string{
		"to=2026-01-01": "from", "from=2026-01-01&to=2026-01-01&event=x": "event", "from=2026-01-02&to=2026-01-01": "from",
		"from=2026-01-01&to=2026-01-01&limit=-1": "limit",
	} {
		r := w.request(topPath, nil)
		r.URL.RawQuery = q
		rec := w.serve(r)
		if p := w.refused(rec, http.StatusBadRequest); len(p.Errors) != 1 || p.Errors[0].Name != name {
			t.Errorf("%s: %+v", q, p)
		}
	}
}
