package event_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lethe-analytics/lethe/shared/event"
)

// The proof of an identity is never among what is stored, however its name is written.
func TestProofIsTakenOut(t *testing.T) {
	t.Parallel()
	const name, escaped = `"$identity_proof"`, `"\u0024identity_proof"`
	for label, c := range map[string]struct {
		parse       func([]byte, event.Rules) (*event.Parsed, error)
		item        string // %s is the name
		proof, rest string
	}{
		"of an event":              {event.ParseEvents, `{"event":"e","properties":{"distinct_id":"ann",%s:"p","a":1}}`, "p", `{"a":1}`},
		"the last property":        {event.ParseEvents, `{"event":"e","properties":{"distinct_id":"ann","a":1,%s:"p"}}`, "p", `{"a":1}`},
		"empty":                    {event.ParseEvents, `{"event":"e","properties":{"distinct_id":"ann",%s:""}}`, "", `{}`},
		"not a text":               {event.ParseEvents, `{"event":"e","properties":{"distinct_id":"ann",%s:{"a":1}}}`, "", `{}`},
		"in a property":            {event.ParseEvents, `{"event":"e","properties":{"distinct_id":"ann","a":{%s:"p"}}}`, "", `{"a":{"$identity_proof":"p"}}`},
		"beside an operation":      {event.ParseOps, `{"$distinct_id":"ann",%s:"p","$set":{"a":1}}`, "p", `{"a":1}`},
		"after an operation":       {event.ParseOps, `{"$distinct_id":"ann","$set":{"a":1},%s:"p"}`, "p", `{"a":1}`},
		"in an operation":          {event.ParseOps, `{"$distinct_id":"ann","$set":{%s:"p","a":1,"b":2}}`, "p", `{"a":1,"b":2}`},
		"alone in an operation":    {event.ParseOps, `{"$distinct_id":"ann","$set":{%s:"p"}}`, "p", `{}`},
		"of an $add, not a number": {event.ParseOps, `{"$distinct_id":"ann","$add":{"a":1,%s:"p"}}`, "p", `{"a":1}`},
	} {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			for _, written := range []string{name, escaped} {
				p, err := c.parse([]byte(fmt.Sprintf("["+c.item+"]", written)), event.Rules{Now: event.Now(), Nonce: "n"})
				if err != nil || len(p.Failures) > 0 {
					t.Fatalf("got %v %+v, want no failure", err, p)
				}
				rest := ""
				if len(p.Events) > 0 {
					rest = p.Events[0].Properties
				} else {
					rest = p.Ops[0].Value
				}
				if p.Proof(0) != c.proof || strings.ReplaceAll(rest, escaped, name) != c.rest {
					t.Errorf("got %q and %s, want %q and %s", p.Proof(0), rest, c.proof, c.rest)
				}
			}
		})
	}
}

// A proof belongs to its item alone, also where a broken item lets all be read again.
func TestProofsOfSeveral(t *testing.T) {
	t.Parallel()
	one := func(id, more string) string {
		return fmt.Sprintf(`{"event":"e","properties":{"distinct_id":%q%s}}`, id, more)
	}
	for _, last := range []string{one("dan", ""), `{"event":"e","properties":{"a":"\ud800"}}`, one("null", `,"$identity_proof":"x"`)} {
		body := "[" + one("ann", "") + "," + one("null", `,"$identity_proof":"x"`) + "," + one("bob", `,"$identity_proof":"p"`) + "," + one("cat", "") + "," + last + "]"
		p, err := event.ParseEvents([]byte(body), event.Rules{Now: event.Now(), Nonce: "n"})
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Proof(0) + "|" + p.Proof(1) + "|" + p.Proof(2) + "|" + p.Proof(3); got != "|p||" {
			t.Errorf("got %s, want |p||", got)
		}
		p.Release()
	}
}

// What is refused later than by the parser is told at its own place.
func TestRefuse(t *testing.T) {
	t.Parallel()
	good, bad := `{"event":"e","properties":{"distinct_id":"ann","$insert_id":"i"}}`, `{"event":""}`
	body := "[" + strings.Join([]string{bad, good, bad, bad, good, good, bad}, ",") + "]"
	p, err := event.ParseEvents([]byte(body), event.Rules{Now: event.Now(), Nonce: "n"})
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{2, 0, 2} {
		p.Refuse(i, "", "no")
	}
	var got []string
	for _, f := range p.Failures {
		got = append(got, fmt.Sprint(f.Index, f.InsertID))
	}
	if want := "[0 1i 2 3 5i 6]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
	if p.Taken() != 1 || !p.Refused(0) || p.Refused(1) || !p.Refused(2) {
		t.Errorf("got %d taken, want the second alone", p.Taken())
	}
}
