package ingest_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/project"
)

// create makes a token beside the tenant's.
func (s *system) create(rec project.TokenRecord) (token, id string) {
	s.t.Helper()
	token, made, err := project.CreateToken(s.t.Context(), s.Databases, "app", rec)
	if err != nil {
		s.t.Fatal(err)
	}
	return token, made.ID
}

// fresh lets the function forget what it knows of tokens and agreements.
func (s *system) fresh() { s.serve(config(s.Tenant)) }

func (s *system) eventOf(token, id string) string {
	return strings.Replace(s.event(id, ""), s.Token, token, 1)
}

// importWith sends one event to /import.
func (s *system) importWith(token, body string) answer {
	s.t.Helper()
	r := s.request("POST", "/import?strict=1", jsonType, body)
	r.SetBasicAuth(token, "")
	return s.do(r)
}

func TestOrigins(t *testing.T) {
	t.Parallel()
	s := newSystem(t, nil)
	token, _ := s.create(project.TokenRecord{Origins: []string{"https://app.example"}})
	from := func(path, body, origin string) answer {
		r := s.request("POST", path, jsonType, body)
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		return s.do(r)
	}
	event, op := s.eventOf(token, "ann"), `{"$token":"`+token+`","$distinct_id":"ann","$set":{"a":1}}`
	said := `{"token":"` + token + `","distinct_id":"ann","state":"granted"}`
	for _, c := range []struct {
		path, body, origin string
		code               int
		want               string
	}{
		{"/track?verbose=1", event, "https://app.example", 200, `{"status":1,"error":null}`},
		{"/track", event, "", 200, "1"}, // a server
		{"/track?verbose=1", event, "https://evil.example", 403, `{"status":0,"error":"the token is not to be used by pages of this origin"}`},
		{"/track", event, "null", 403, "0"},
		{"/track?verbose=1", "[" + event + "," + s.event("ann", "") + "]", "https://evil.example", 200, `{"status":1,"error":"the token is not to be used by pages of this origin"}`},
		{"/engage", op, "https://evil.example", 403, "0"},
		{"/engage", op, "https://app.example", 200, "1"},
		{"/consent", said, "https://app.example", 202, `{"state":"granted"}`},
	} {
		if a := from(c.path, c.body, c.origin); a.code != c.code || a.body != c.want {
			t.Errorf("%s from %q: %d %s", c.path, c.origin, a.code, a.body)
		}
	}
	if a := from("/consent", said, "https://evil.example"); a.code != 403 || !strings.Contains(a.body, "urn:lethe:problem:forbidden") {
		t.Errorf("%d %s", a.code, a.body)
	}
	s.published(5)
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	s := newSystem(t, nil)
	token, id := s.create(project.TokenRecord{RateLimit: 1})
	one := s.eventOf(token, "ann")
	batch := "[" + strings.Repeat(one+",", 1999) + one + "]"
	if a := s.post("/track", jsonType, batch); a.body != "1" {
		t.Fatalf("%d %s", a.code, a.body)
	}
	// 2,000 more are there in 2,000 seconds.
	for path, a := range map[string]answer{"/track": s.post("/track?verbose=1", jsonType, batch), "/import": s.importWith(token, batch)} {
		wait, err := strconv.Atoi(a.header.Get("Retry-After"))
		if a.code != 429 || err != nil || wait < 1000 || wait > 2000 || !strings.Contains(a.body, "rate limit") {
			t.Errorf("%s: %d %v %s", path, a.code, a.header, a.body)
		}
	}
	if a := s.post("/track?verbose=1", jsonType, "["+s.event("ann", "")+","+batch[1:len(batch)-1-len(one)-1]+"]"); a.code != 429 {
		t.Errorf("%d %s", a.code, a.body) // and nothing of the other token's is taken
	}
	// A token that replaces it shares its rate; another's events are no matter.
	next, _, err := project.RotateToken(t.Context(), s.Databases, "app", id, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if a := s.post("/track", jsonType, strings.ReplaceAll(batch, token, next)); a.code != 429 {
		t.Errorf("%d %s", a.code, a.body)
	}
	if a := s.post("/track", jsonType, s.event("ann", "")); a.code != 200 {
		t.Errorf("%d %s", a.code, a.body)
	}
	s.published(2001)
}

func TestTokenLife(t *testing.T) {
	t.Parallel()
	s := newSystem(t, nil)
	old, id := s.create(project.TokenRecord{})
	next, _, err := project.RotateToken(t.Context(), s.Databases, "app", id, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	track := func(token string) int { return s.post("/track", jsonType, s.eventOf(token, "ann")).code }
	if a, b := track(old), track(next); a != 200 || b != 200 {
		t.Error(a, b)
	}
	// The hour passes.
	if _, err := s.Edge.Doc("tokens/"+project.Hash(old)).Update(t.Context(), []firestore.Update{{Path: "expires", Value: time.Now().Add(-time.Second)}}); err != nil {
		t.Fatal(err)
	}
	s.fresh()
	if a, b := track(old), track(next); a != 401 || b != 200 {
		t.Error(a, b)
	}
	if err := project.RevokeToken(t.Context(), s.Databases, "app", id); err != nil {
		t.Fatal(err)
	}
	s.fresh()
	if a := s.importWith(next, "["+s.event("ann", "")+"]"); a.code != 401 || track(next) != 401 {
		t.Errorf("%d %s", a.code, a.body)
	}
	s.published(3)
}

// Without the agreement in effect no events are taken; a person's word is.
func TestDPA(t *testing.T) {
	t.Parallel()
	s := newSystem(t, func(p *project.Project) { p.DPA = project.Accepted{} })
	const why = "data processing agreement"
	refused := func() {
		t.Helper()
		for path, a := range map[string]answer{
			"/track":  s.post("/track?verbose=1", jsonType, s.event("ann", "")),
			"/engage": s.post("/engage?verbose=1", jsonType, `{"$token":"`+s.Token+`","$distinct_id":"ann","$set":{"a":1}}`),
			"/import": s.importWith(s.Token, "["+s.event("ann", "")+"]"),
		} {
			if a.code != http.StatusForbidden || !strings.Contains(a.body, why) {
				t.Errorf("%s: %d %s", path, a.code, a.body)
			}
		}
		if a := s.post("/consent", jsonType, `{"token":"`+s.Token+`","distinct_id":"ann","state":"granted"}`); a.code != 202 {
			t.Errorf("%d %s", a.code, a.body)
		}
	}
	accept := func(version string) {
		t.Helper()
		if err := project.AcceptDPA(t.Context(), s.Databases, "app", project.Signature{Version: version, Name: "Ann", Role: "CEO"}); err != nil {
			t.Fatal(err)
		}
		s.fresh()
	}
	publish := func(version string, effective time.Duration) {
		t.Helper()
		if err := project.PublishDPA(t.Context(), s.Databases, project.DPA{Version: version, TextSHA256: project.Hash(version), EffectiveAt: time.Now().Add(effective)}); err != nil {
			t.Fatal(err)
		}
		s.fresh()
	}
	taken := func() {
		t.Helper()
		if a := s.post("/track", jsonType, s.event("ann", "")); a.body != "1" {
			t.Errorf("%d %s", a.code, a.body)
		}
		if a := s.importWith(s.Token, "["+s.event("ann", "")+"]"); a.code != 200 {
			t.Errorf("%d %s", a.code, a.body)
		}
	}
	refused()
	accept("1")
	taken()
	publish("3", time.Hour) // is enough until then
	taken()
	publish("2", -time.Second)
	refused()
	accept("3") // ahead of its time
	taken()
	s.published(8)
}

// Who may send what is asked before anything of a request is taken.
func TestMixedTokens(t *testing.T) {
	t.Parallel()
	s := newSystem(t, nil)
	other, _ := s.create(project.TokenRecord{})
	a := s.post("/track?verbose=1", jsonType, fmt.Sprintf("[%s,%s,%s,%s]", s.event("ann", ""), s.eventOf(other, "bob"), s.event("ann", ""), s.eventOf("nobody", "carl")))
	if a.code != 200 || a.body != `{"status":1,"error":"the token is missing or unknown"}` {
		t.Errorf("%d %s", a.code, a.body)
	}
	s.published(3)
}

// A request of many tokens is refused before any of them is looked up: each would be a
// read of the database that anybody could cause.
func TestManyTokens(t *testing.T) {
	t.Parallel()
	s := newSystem(t, nil)
	items := func(n int) string {
		list := []string{s.event("ann", "")}
		for i := range n {
			list = append(list, s.eventOf(fmt.Sprint("nobody", i), "bob"))
		}
		return "[" + strings.Join(list, ",") + "]"
	}
	if a := s.post("/track?verbose=1", jsonType, items(20)); a.code != 200 || a.body != `{"status":0,"error":"more than 20 tokens in one request"}` {
		t.Errorf("%d %s", a.code, a.body)
	}
	if a := s.post("/track?verbose=1", jsonType, items(19)); a.code != 200 || a.body != `{"status":1,"error":"the token is missing or unknown"}` {
		t.Errorf("%d %s", a.code, a.body)
	}
	s.published(1)
}
