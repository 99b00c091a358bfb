package ingest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/project"
)

func old(i int, more string) string {
	return fmt.Sprintf(`{"event":"Old","properties":{"distinct_id":"ann","time":%d,"$insert_id":"i-%d"%s}}`, 1_600_000_000+i, i, more)
}

func (s *system) imports(user, password, query, contentType, body string) answer {
	s.t.Helper()
	r := s.request(http.MethodPost, "/import"+query, contentType, body)
	r.SetBasicAuth(user, password)
	return s.do(r)
}

func TestImport(t *testing.T) {
	t.Parallel()
	s := newSystem(t, nil)
	ok := `{"code":200,"num_records_imported":2,"status":"OK"}`
	if a := s.imports(s.Token, "", "?strict=1", jsonType, "["+old(1, "")+","+old(2, "")+"]"); a.code != 200 || a.body != ok {
		t.Errorf("array: %d %s", a.code, a.body)
	}
	if a := s.imports(s.Token, "", "?strict=1&project_id=9", ndjsonType, old(3, "")+"\n"+old(4, "")+"\n"); a.code != 200 || a.body != ok {
		t.Errorf("ndjson: %d %s", a.code, a.body)
	}
	r := s.request("POST", "/import?strict=1", ndjsonType, zipped(old(5, "")+"\n"+old(6, "")))
	r.Header.Set("Content-Encoding", "gzip")
	r.SetBasicAuth(s.Token, "")
	if a := s.do(r); a.code != 200 || a.body != ok {
		t.Errorf("gzip: %d %s", a.code, a.body)
	}
	s.published(6)
}

// The good ones of a request are kept, and each bad one is named.
func TestImportPartly(t *testing.T) {
	t.Parallel()
	s := newSystem(t, nil)
	a := s.imports(s.Token, "", "?strict=1", ndjsonType, strings.Join([]string{old(1, ""), `{"event":`, old(2, `,"x":1e999`), old(3, "")}, "\n"))
	var got struct {
		Code     int
		Error    string
		Status   string
		Failed   []map[string]any `json:"failed_records"`
		Imported int              `json:"num_records_imported"`
	}
	if err := json.Unmarshal([]byte(a.body), &got); err != nil {
		t.Fatal(err, a.body)
	}
	if a.code != 400 || got.Code != 400 || got.Status != "Bad Request" || got.Imported != 2 || len(got.Failed) != 2 ||
		got.Error != "some data points in the request failed validation" {
		t.Fatalf("%d %s", a.code, a.body)
	}
	f := got.Failed[1]
	if f["index"] != 2.0 || f["$insert_id"] != "i-2" || f["field"] != "properties.x" || f["message"] == "" {
		t.Errorf("%v", f)
	}
	s.published(2)
}

func TestImportAuth(t *testing.T) {
	t.Parallel()
	s := newSystem(t, nil)
	ctx := t.Context()
	if err := project.AddToken(ctx, s.Databases, "the-secret", project.Token{Project: "app", User: "bot"}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		user, password, query string
		code                  int
	}{
		"token":                          {s.Token, "", "", 200},
		"service account":                {"bot", "the-secret", "?project_id=app", 200},
		"service account, other project": {"bot", "the-secret", "?project_id=other", 401},
		"service account, no project":    {"bot", "the-secret", "", 401},
		"service account, other user":    {"bob", "the-secret", "?project_id=app", 401},
		"secret as user":                 {"the-secret", "", "?project_id=app", 401},
		"token as password":              {"bot", s.Token, "?project_id=app", 401},
		"unknown":                        {"nope", "", "", 401},
		"API key":                        {s.Key, "", "", 401},
	} {
		a := s.imports(c.user, c.password, c.query, jsonType, "["+old(1, "")+"]")
		if a.code != c.code || !strings.Contains(a.body, fmt.Sprintf(`"code":%d`, c.code)) {
			t.Errorf("%s: %d %s", name, a.code, a.body)
		}
	}
	if a := s.post("/import", jsonType, "[]"); a.code != 401 || !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Basic") {
		t.Errorf("no credentials: %d %v", a.code, a.header)
	}
	track := s.post("/track", jsonType, strings.Replace(s.event("ann", ""), s.Token, "the-secret", 1))
	if track.code != 401 {
		t.Errorf("a service account's secret as token: %d %s", track.code, track.body)
	}
	s.published(2)
}

func TestImportErrors(t *testing.T) {
	t.Parallel()
	s := newSystem(t, nil)
	big := "[" + strings.Repeat(old(1, `,"x":"`+strings.Repeat("y", 5000)+`"`)+",", 2100) + old(2, "") + "]"
	bomb := zipped(strings.Repeat("[", 12_000_000))
	for name, c := range map[string]struct {
		body, encoding string
		code           int
	}{
		"not JSON":      {"hello", "", 400},
		"empty":         {"", "", 400},
		"2,001 events":  {"[" + strings.Repeat(old(1, "")+",", 2000) + old(2, "") + "]", "", 413},
		"11 MB":         {big, "", 413},
		"gzip bomb":     {bomb, "gzip", 413},
		"not gzip":      {"[]", "gzip", 400},
		"broken gzip":   {zipped("[]")[:15], "gzip", 400},
		"brotli":        {"[]", "br", 415},
		"deep":          {strings.Repeat(`[`, 1_000_000), "", 400},
		"form of 11 MB": {"data=" + strings.Repeat("x", 15_000_000), "", 413},
	} {
		r := s.request("POST", "/import?strict=1", jsonType, c.body)
		if c.encoding != "" {
			r.Header.Set("Content-Encoding", c.encoding)
		}
		r.SetBasicAuth(s.Token, "")
		a := s.do(r)
		if a.code != c.code || !strings.HasPrefix(a.body, fmt.Sprintf(`{"code":%d,"error":"`, c.code)) {
			t.Errorf("%s: %d %.200s; want %d", name, a.code, a.body, c.code)
		}
	}
}

// A body that stalls is given up, not waited for.
func TestStall(t *testing.T) {
	t.Parallel()
	s := newSystem(t, nil)
	c := config(s.Tenant)
	c.ReadTimeout = 200 * time.Millisecond
	s.serve(c)
	body, release := stalling("[" + s.event("ann", ""))
	defer release()
	r, err := http.NewRequest("POST", s.url+"/track", body)
	if err != nil {
		t.Fatal(err)
	}
	if a := s.do(r); a.code != 408 || a.body != "0" {
		t.Errorf("%d %s", a.code, a.body)
	}
}

// A person who is opted out never reaches Pub/Sub; one whose consent is unset
// does, with what that meant where the request came from.
func TestConsent(t *testing.T) {
	t.Parallel()
	s := newSystem(t, func(p *project.Project) {
		p.Consent = consent.Defaults{Default: consent.Granted, Regions: map[string]consent.State{"DE": consent.Denied}, GPC: true}
	})
	if _, err := person.OptOutRef(s.Edge, "app", person.MakeKey(s.Project.Secret, "no")).Set(t.Context(), map[string]any{"at": time.Now()}); err != nil {
		t.Fatal(err)
	}
	op := func(id, op string) string {
		return fmt.Sprintf(`{"$token":%q,"$distinct_id":%q,%q:{}}`, s.Token, id, op)
	}
	for range 2 { // once from the database, once from the cache
		if a := s.post("/track", jsonType, "["+s.event("no", "")+","+s.event("yes", "")+"]"); a.body != "1" {
			t.Errorf("a drop is not told: %s", a.body)
		}
		s.post("/engage", jsonType, "["+op("no", "$set")+","+op("no", "$delete")+","+op("yes", "$set")+"]")
		r := s.request("POST", "/import?strict=1", ndjsonType, s.event("no", ""))
		r.SetBasicAuth(s.Token, "")
		if a := s.do(r); a.code != 200 {
			t.Errorf("import: %d %s", a.code, a.body)
		}
	}
	for header, value := range map[string]string{consent.RegionHeader: "de", "Sec-GPC": "1", "DNT": "1"} {
		r := s.request("POST", "/track", jsonType, s.event("header-"+header, ""))
		r.Header.Set(header, value)
		s.do(r)
	}
	events, ops, _ := s.published(2 + 4 + 3)
	want := map[string]bool{"yes": false, "header-" + consent.RegionHeader: true, "header-Sec-GPC": true, "header-DNT": false}
	for _, e := range events {
		if optIn, ok := want[e.DistinctID]; !ok || e.OptIn != optIn {
			t.Errorf("%+v", e)
		}
	}
	for _, o := range ops {
		if o.DistinctID == "no" && o.Name != "$delete" {
			t.Errorf("%+v", o)
		}
	}
}
