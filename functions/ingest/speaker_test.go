package ingest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/identity"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/project"
)

const (
	account = "bot"
	secret  = "the-secret"
	signing = "lethe_identity_0123456789abcdef0123456789abcdef"
	earlier = "lethe_identity_fedcba9876543210fedcba9876543210"
	ended   = "lethe_identity_ended"
)

// newProver is a system whose project has a service account, and secrets that prove
// identities: one in use, one that is being replaced, and one that has ended.
func newProver(t testing.TB) *system {
	t.Helper()
	s := newSystem(t, func(p *project.Project) {
		p.IdentitySecrets = []project.IdentitySecret{{Secret: signing}, {Secret: earlier, Expires: time.Now().Add(time.Hour)}, {Secret: ended, Expires: time.Now().Add(-time.Second)}}
	})
	if err := project.AddToken(t.Context(), s.Databases, secret, project.Token{Project: "app", User: account}); err != nil {
		t.Fatal(err)
	}
	return s
}

// withAccount sends a body by the service account.
func (s *system) withAccount(path, body string) answer {
	s.t.Helper()
	r := s.request("POST", path, jsonType, body)
	r.SetBasicAuth(account, secret)
	return s.do(r)
}

func proofOf(key, id string) string {
	return fmt.Sprintf(`,"$identity_proof":%q`, identity.Prove(key, id))
}

// signed is a JWT of an id that expires.
func signed(t testing.TB, id string, expires time.Duration) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: []byte(signing)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := jwt.Signed(signer).Claims(jwt.Claims{Subject: id, Expiry: jwt.NewNumericDate(time.Now().Add(expires))}).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (s *system) operation(id, more string) string {
	return fmt.Sprintf(`{"$token":%q,"$distinct_id":%q,"$set":{"a":1}%s}`, s.Token, id, more)
}

// By what right something was said goes along with it; the proof itself does not.
func TestSpeaker(t *testing.T) {
	t.Parallel()
	s := newProver(t)
	for name, c := range map[string]struct {
		more string // of the item
		want event.Speaker
	}{
		"by token":                        {"", event.ByToken},
		"with a proof":                    {proofOf(signing, "ann"), event.ByProof},
		"with one of the earlier secret":  {proofOf(earlier, "ann"), event.ByProof},
		"with one of a secret that ended": {proofOf(ended, "ann"), event.ByToken},
		"with another's":                  {proofOf(signing, "bob"), event.ByToken},
		"with a JWT":                      {fmt.Sprintf(`,"$identity_proof":%q`, signed(t, "ann", time.Hour)), event.ByProof},
		"with a JWT that expired":         {fmt.Sprintf(`,"$identity_proof":%q`, signed(t, "ann", -time.Hour)), event.ByToken},
		"with something else":             {`,"$identity_proof":{"a":1}`, event.ByToken},
	} {
		t.Run(name, func(t *testing.T) {
			importReq := s.request("POST", "/import?strict=1", jsonType, "["+s.event("ann", c.more)+"]")
			importReq.SetBasicAuth(s.Token, "")
			for _, a := range []answer{s.post("/track", jsonType, s.event("ann", c.more)), s.do(importReq), s.post("/engage", jsonType, s.operation("ann", c.more)),
				s.withAccount("/track?project_id=app", s.event("ann", c.more)), s.withAccount("/import?strict=1&project_id=app", "["+s.event("ann", c.more)+"]"),
				s.withAccount("/engage", s.operation("ann", c.more))} {
				if a.code != 200 {
					t.Errorf("got %d %s, want 200", a.code, a.body)
				}
			}
			events, ops, _ := s.published(6)
			speakers := map[event.Speaker]int{}
			for _, e := range events {
				speakers[e.Speaker]++
				if e.Properties != `{}` {
					t.Errorf("got the properties %s, want none", e.Properties)
				}
			}
			for _, o := range ops {
				speakers[o.Speaker]++
				if o.Value != `{"a":1}` {
					t.Errorf("got the value %s, want no proof in it", o.Value)
				}
			}
			if speakers[c.want] != 3 || speakers[event.ByKey] != 3 {
				t.Errorf("got %v, want 3 by %s and 3 by key", speakers, c.want)
			}
		})
	}
}

// A proof is of its own item's identity, and an anonymous one's may be proven as well.
func TestProofsInOneRequest(t *testing.T) {
	t.Parallel()
	s := newProver(t)
	bob := strings.Replace(s.event("", proofOf(signing, "bob")), `"distinct_id":""`, `"$user_id":"bob","$device_id":"x"`, 1)
	body := []string{s.event("ann", proofOf(signing, "ann")), s.event("bob", proofOf(signing, "ann")), s.event("ann", proofOf(signing, "ann")), s.event("ann", ""), bob}
	if a := s.post("/track", jsonType, "["+strings.Join(body, ",")+"]"); a.body != "1" {
		t.Fatalf("got %d %s, want 1", a.code, a.body)
	}
	events, _, _ := s.published(5)
	for i, want := range []event.Speaker{event.ByProof, event.ByToken, event.ByProof, event.ByToken, event.ByProof} {
		if events[i].Speaker != want {
			t.Errorf("event %d: got %s, want %s", i, events[i].Speaker, want)
		}
	}
}

// A service account needs no token, and its items go to its project whatever they name.
func TestServiceAccount(t *testing.T) {
	t.Parallel()
	s := newProver(t)
	other := s.AddProject(t, "other")
	token, err := project.NewToken(t.Context(), s.Databases, other.ID)
	if err != nil {
		t.Fatal(err)
	}
	bare := `{"$distinct_id":"ann","$delete":""}`
	for name, c := range map[string]struct {
		user, password, path, body string
		code                       int
	}{
		"no token":            {account, secret, "/engage", bare, 200},
		"some tokens":         {account, secret, "/engage/?project_id=app", "[" + bare + "," + strings.Replace(bare, `{`, `{"$token":"`+token+`",`, 1) + "]", 200},
		"events":              {account, secret, "/track", `{"event":"e","properties":{"distinct_id":"ann"}}`, 200},
		"another user":        {"bob", secret, "/engage", s.operation("ann", ""), 401},
		"another secret":      {account, "other", "/engage", s.operation("ann", ""), 401},
		"a token as secret":   {account, s.Token, "/track", s.event("ann", ""), 401},
		"another project":     {account, secret, "/engage?project_id=other", bare, 401},
		"a token as user":     {s.Token, "", "/engage", s.operation("ann", ""), 200}, // as some SDKs send it
		"no secret, no token": {account, "", "/engage", bare, 401},
	} {
		r := s.request("POST", c.path, jsonType, c.body)
		r.SetBasicAuth(c.user, c.password)
		if a := s.do(r); a.code != c.code {
			t.Errorf("%s: got %d %s, want %d", name, a.code, a.body, c.code)
		}
	}
	events, ops, _ := s.published(5)
	keys := 0
	for _, o := range ops {
		if o.Speaker == event.ByKey {
			keys++
		}
	}
	if len(events) != 1 || keys != 3 {
		t.Errorf("got %d events and %d operations by key, want 1 and 3", len(events), keys)
	}
}

// Consent can be said and asked with a proof; one that proves nothing is told at once.
func TestConsentWithProof(t *testing.T) {
	t.Parallel()
	s := newProver(t)
	s.atEdge("ann", person.OptOut{State: consent.Denied, At: time.Now(), By: "key"})
	for proof, want := range map[string]struct {
		code int
		body string
	}{
		"":                             {200, `{"state":"unset","default":"granted"}`},
		identity.Prove(signing, "ann"): {200, `{"state":"denied","default":"granted"}`},
		identity.Prove(earlier, "ann"): {200, `{"state":"denied","default":"granted"}`},
		signed(t, "ann", time.Hour):    {200, `{"state":"denied","default":"granted"}`},
		signed(t, "ann", -time.Hour):   {403, ""},
		identity.Prove(signing, "bob"): {403, ""},
		"x":                            {403, ""},
	} {
		if a := s.askConsent("ann", proof); a.code != want.code || want.body != "" && a.body != want.body {
			t.Errorf("asked with %q: got %d %s, want %d %s", proof, a.code, a.body, want.code, want.body)
		}
	}
	for proof, code := range map[string]int{"": 202, identity.Prove(signing, "bob"): 202, identity.Prove(signing, "ann"): 403} {
		if a := s.say("bob", consent.Granted, fmt.Sprintf(`,"proof":%q`, proof)); a.code != code {
			t.Errorf("said with %q: got %d %s, want %d", proof, a.code, a.body, code)
		}
	}
	_, ops, _ := s.published(2)
	if ops[0].Speaker+ops[1].Speaker != event.ByToken+event.ByProof {
		t.Errorf("got %s and %s, want one by token and one by proof", ops[0].Speaker, ops[1].Speaker)
	}
}

// Where the project has no secret there is nothing to be proven, and nothing is refused.
func TestProofWithoutSecret(t *testing.T) {
	t.Parallel()
	s := newSystem(t, nil)
	if a := s.post("/track", jsonType, s.event("ann", proofOf(signing, "ann"))); a.body != "1" {
		t.Errorf("got %d %s, want 1", a.code, a.body)
	}
	if a := s.askConsent("ann", "x"); a.code != 200 || a.body != `{"state":"unset","default":"granted"}` {
		t.Errorf("got %d %s, want unset", a.code, a.body)
	}
	if a := s.say("ann", consent.Denied, `,"proof":"x"`); a.code != 202 {
		t.Errorf("got %d %s, want 202", a.code, a.body)
	}
	if events, _, _ := s.published(2); events[0].Speaker != event.ByToken || events[0].Properties != `{}` {
		t.Errorf("got %+v, want an event by token without the proof", events[0])
	}
}
