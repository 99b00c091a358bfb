package ingest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/identity"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/project"
)

// say posts a consent with the tenant's token; more begins with a comma.
func (s *system) say(id string, state consent.State, more string) answer {
	s.t.Helper()
	return s.post("/consent", jsonType, fmt.Sprintf(`{"token":%q,"distinct_id":%q,"state":%q%s}`, s.Token, id, state, more))
}

// atEdge sets what the edge database says of a person.
func (s *system) atEdge(id string, doc any) {
	s.t.Helper()
	if _, err := person.OptOutRef(s.Edge, "app", person.MakeKey(s.Project.Secret, id)).Set(s.t.Context(), doc); err != nil {
		s.t.Fatal(err)
	}
}

// askConsent is the answer to GET /consent.
func (s *system) askConsent(id, proof string) answer {
	s.t.Helper()
	r := s.request("GET", "/consent?"+url.Values{"token": {s.Token}, "distinct_id": {id}}.Encode(), "", "")
	if proof != "" {
		r.Header.Set("Lethe-Identity-Proof", proof)
	}
	return s.do(r)
}

func TestSayConsent(t *testing.T) {
	t.Parallel()
	s := newSystem(t, nil)
	ids := []string{"ann", "a/b//☕ 😀", strings.Repeat("é", 127) + "x"}
	for _, id := range ids {
		a := s.say(id, consent.Denied, `,"purposes":{"ads":"denied"},"notice_version":"v1"`)
		if a.code != 202 || a.body != `{"state":"denied"}` {
			t.Errorf("%q: %d %s", id, a.code, a.body)
		}
		_, ops, _ := s.published(1)
		var said person.Statement
		if err := json.Unmarshal([]byte(ops[0].Value), &said); err != nil {
			t.Fatal(err)
		}
		if o := ops[0]; o.Name != "$consent" || o.DistinctID != id || o.Received == 0 || o.Request == "" ||
			said.State != consent.Denied || said.Source != "sdk" || said.NoticeVersion != "v1" || said.Purposes["ads"] != consent.Denied {
			t.Errorf("%+v", o)
		}
	}
	// This process knows it at once.
	if a := s.post("/track", jsonType, "["+s.event("ann", "")+","+s.event("bob", "")+"]"); a.body != "1" {
		t.Error(a.body)
	}
	if events, _, _ := s.published(1); events[0].DistinctID != "bob" {
		t.Errorf("%+v", events)
	}
	s.say("ann", consent.Granted, "")
	s.post("/track", jsonType, s.event("ann", ""))
	s.say("ann", consent.Unset, "")
	s.post("/track", jsonType, s.event("ann", ""))
	if events, ops, _ := s.published(4); len(events) != 2 || len(ops) != 2 {
		t.Errorf("%+v %+v", events, ops)
	}
}

func TestAskConsent(t *testing.T) {
	t.Parallel()
	s := newSystem(t, nil)
	const uuid = "0b8a1c1e-6f0e-4d8e-9a63-0b8a1c1e6f0e"
	s.atEdge("$device:older", map[string]any{"at": time.Now()})
	for _, state := range []consent.State{consent.Granted, consent.Denied, consent.Unset} {
		s.atEdge("$device:"+string(state), person.OptOut{State: state, At: time.Now(), Own: state})
	}
	s.atEdge(uuid, person.OptOut{State: consent.Denied, At: time.Now(), Own: consent.Denied})
	// Anybody can join a device to a user: what the user has said, the device is not told.
	s.atEdge("$device:joined", person.OptOut{State: consent.Denied, At: time.Now(), By: "key"})
	s.atEdge("$device:own", person.OptOut{State: consent.Denied, At: time.Now(), By: "key", Own: consent.Granted})
	for id, want := range map[string]string{"$device:new": "unset", "$device:older": "unset", "$device:granted": "granted", "$device:denied": "denied",
		"$device:unset": "unset", "$device:joined": "unset", "$device:own": "granted", uuid: "denied"} {
		if a := s.askConsent(id, ""); a.code != 200 || a.body != `{"state":"`+want+`","default":"granted"}` || a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: got %d %s, want %s", id, a.code, a.body, want)
		}
	}
	s.post("/track", jsonType, "["+s.event("$device:older", "")+","+s.event("$device:denied", "")+","+s.event("$device:joined", "")+
		","+s.event("$device:granted", "")+","+s.event("$device:unset", "")+"]")
	if events, _, _ := s.published(2); events[0].DistinctID != "$device:granted" || events[1].DistinctID != "$device:unset" {
		t.Errorf("got %+v, want those of the two who have not denied", events)
	}
}

// By token GET /consent tells of a user what it tells of somebody who never was, and
// reads nothing to do so.
func TestAskConsentOfUser(t *testing.T) {
	t.Parallel()
	const uuid = "0b8a1c1e-6f0e-4d8e-9a63-0b8a1c1e6f0e"
	s := newSystem(t, func(p *project.Project) { p.UserIDs = identity.UserIDsUUID })
	never := s.askConsent("never seen", "")
	if never.code != 200 || never.body != `{"state":"unset","default":"granted"}` {
		t.Fatalf("got %d %s, want unset", never.code, never.body)
	}
	for _, id := range []string{"denied@example.com", "42", uuid} {
		for _, state := range []consent.State{consent.Denied, consent.Granted} {
			s.atEdge(id, person.OptOut{State: state, At: time.Now(), By: "key", Own: state})
			a := s.askConsent(id, "")
			for _, h := range []http.Header{never.header, a.header} {
				h.Del("Date")
				h.Del("X-Request-Id")
			}
			if a.code != never.code || a.body != never.body || fmt.Sprint(a.header) != fmt.Sprint(never.header) {
				t.Errorf("%s who has %s: got %d %s %v, want %s", id, state, a.code, a.body, a.header, never.body)
			}
		}
	}
	s.stallEdge() // whoever reads gets no answer
	if a := s.askConsent("42", ""); a.code != 200 {
		t.Errorf("got %d %s, want an answer without a look at the database", a.code, a.body)
	}
	if a := s.askConsent("$device:x", ""); a.code != 503 {
		t.Errorf("got %d %s of a device, want a look at the database", a.code, a.body)
	}
}

// What is said with a token counts against its rate.
func TestConsentRate(t *testing.T) {
	t.Parallel()
	s := newSystem(t, nil)
	token, _ := s.create(project.TokenRecord{RateLimit: 1})
	one := s.eventOf(token, "ann")
	if a := s.post("/track", jsonType, "["+strings.Repeat(one+",", 1998)+one+"]"); a.body != "1" { // the burst is 2,000
		t.Fatalf("got %d %s, want 1", a.code, a.body)
	}
	codes := map[int]int{}
	for range 4 {
		a := s.post("/consent", jsonType, `{"token":"`+token+`","distinct_id":"ann","state":"denied"}`)
		if codes[a.code]++; a.code == 429 && a.header.Get("Retry-After") == "" {
			t.Error("got no Retry-After, want one")
		}
	}
	if codes[202] == 0 || codes[429] == 0 || codes[202]+codes[429] != 4 { // one fits, or one more in a second
		t.Errorf("got %v, want some of 202 and then 429", codes)
	}
	s.published(1999 + codes[202])
}

// Tokens come in the ways that SDKs can send them.
func TestConsentTokens(t *testing.T) {
	t.Parallel()
	s := newSystem(t, nil)
	if err := project.AddToken(t.Context(), s.Databases, "secret", project.Token{Project: "app", User: "importer"}); err != nil {
		t.Fatal(err)
	}
	body := `{"distinct_id":"ann","state":"granted"}`
	with := func(set func(*http.Request)) *http.Request {
		r := s.request("POST", "/consent", "text/plain", body)
		set(r)
		return r
	}
	for name, r := range map[string]*http.Request{
		"query":  s.request("POST", "/consent/?token="+s.Token, jsonType, body),
		"bearer": with(func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+s.Token) }),
		"basic":  with(func(r *http.Request) { r.SetBasicAuth(s.Token, "") }),
	} {
		if a := s.do(r); a.code != 202 {
			t.Errorf("%s: %d %s", name, a.code, a.body)
		}
	}
	for name, r := range map[string]*http.Request{
		"none":            with(func(*http.Request) {}),
		"unknown":         with(func(r *http.Request) { r.SetBasicAuth("x", "") }),
		"service account": s.request("POST", "/consent?token=secret", jsonType, body),
		"asked":           s.request("GET", "/consent?token=x&distinct_id=ann", "", ""),
	} {
		if a := s.do(r); a.code != 401 || !strings.HasPrefix(a.header.Get("Content-Type"), "application/problem+json") {
			t.Errorf("%s: %d %s", name, a.code, a.body)
		}
	}
	s.published(3)
}

func TestBadConsents(t *testing.T) {
	t.Parallel()
	s := newSystem(t, nil)
	for field, bodies := range map[string][]string{
		"distinct_id": {`"distinct_id":"","state":"granted"`, `"state":"granted"`, `"distinct_id":"Anonymous","state":"granted"`,
			`"distinct_id":"a\u0000","state":"granted"`, `"distinct_id":"` + strings.Repeat("é", 256) + `","state":"granted"`},
		"state":    {`"distinct_id":"ann"`, `"distinct_id":"ann","state":"yes"`},
		"basis":    {`"distinct_id":"ann","state":"granted","basis":"x"`},
		"purposes": {`"distinct_id":"ann","state":"granted","purposes":{"a":"unset"}`},
		"":         {`"distinct_id":"ann","state":"granted","source":"me"`, `"distinct_id":1,"state":"granted"`, `"distinct_id":`},
	} {
		for _, b := range bodies {
			a := s.post("/consent", jsonType, `{"token":"`+s.Token+`",`+b+"}")
			var p struct {
				Errors []struct{ Name string }
			}
			if err := json.Unmarshal([]byte(a.body), &p); err != nil || a.code != 400 || field != "" && (len(p.Errors) != 1 || p.Errors[0].Name != field) {
				t.Errorf("%s: %d %s", b, a.code, a.body)
			}
		}
	}
	if a := s.post("/consent", jsonType, `{"token":"`+strings.Repeat("a", 33<<10)+`"}`); a.code != 413 {
		t.Error(a.code)
	}
	if a := s.askConsent("null", ""); a.code != 400 {
		t.Error(a.code)
	}
	if a := s.do(s.request("PUT", "/consent", jsonType, "{}")); a.code != 405 || a.header.Get("Allow") == "" {
		t.Error(a.code)
	}
	r := s.request("OPTIONS", "/consent", "", "")
	r.Header.Set("Origin", "https://app.example")
	if a := s.do(r); a.code != 204 || a.header.Get("Access-Control-Allow-Origin") != "https://app.example" {
		t.Errorf("%d %v", a.code, a.header)
	}
}

// $opt_in reaches store although its person is opted out, with all that comes
// with it and after it.
func TestOptInPasses(t *testing.T) {
	t.Parallel()
	s := newSystem(t, nil)
	s.atEdge("ann", person.OptOut{State: consent.Denied, At: time.Now()})
	s.atEdge("bob", person.OptOut{State: consent.Denied, At: time.Now()})
	s.post("/track", jsonType, s.event("ann", ""))
	optIn := strings.Replace(s.event("ann", ""), "Seen", "$opt_in", 1)
	s.post("/track", jsonType, "["+s.event("bob", "")+","+optIn+","+s.event("ann", `,"n":1`)+"]")
	s.post("/track", jsonType, s.event("ann", `,"n":2`))
	events, _, _ := s.published(3)
	if events[0].Name != "$opt_in" || events[1].Properties != `{"n":1}` || events[2].Properties != `{"n":2}` {
		t.Errorf("%+v", events)
	}
}
