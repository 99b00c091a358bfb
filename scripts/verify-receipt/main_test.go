package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/shared/receipt"
)

// TestRun checks receipts and evidence with the keys in a file, as somebody does who
// has nothing else.
func TestRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	private := filepath.Join(dir, "receipt-key.pem")
	if err := local.MakeReceiptKey(private); err != nil {
		t.Fatal(err)
	}
	signer, err := receipt.OpenFile(private)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := json.Marshal(signer.Keys())
	if err != nil {
		t.Fatal(err)
	}
	jwks := filepath.Join(dir, "jwks.json")
	if err := os.WriteFile(jwks, keys, 0o600); err != nil {
		t.Fatal(err)
	}
	sign := func(typ string, what any) string {
		jws, err := signer.Sign(typ, what)
		if err != nil {
			t.Fatal(err)
		}
		return jws
	}
	genuine := sign(receipt.Type, receipt.Receipt{
		Request: "the-request", Kind: receipt.KindEvents, Events: []string{"Signed up"},
		Stores: receipt.Stores{Events: receipt.Count{Found: 4711, Deleted: 4711}, Unreadable: 1},
		Subjects: []receipt.Subject{
			{Identity: "ANN", Person: "ANN", Scope: receipt.ScopePerson, Identities: []receipt.Identity{
				{Identity: "D1", Link: &receipt.Link{To: "ANN", By: "token"}}, {Identity: "D2", Link: &receipt.Link{To: "ANN", By: "key"}}, {Identity: "ROOT"}}},
			{Identity: "NAN", Person: "ANN", Scope: receipt.ScopePerson, Link: &receipt.Link{To: "ANN", By: "key"}},
			{Identity: "D3", Person: "BOB", Scope: receipt.ScopeIdentity, Link: &receipt.Link{To: "BOB", By: "proof"}},
		},
	})
	for _, c := range []struct{ jws, want, fails string }{
		{jws: genuine + "\n", want: "The receipt is genuine."},
		{jws: genuine, want: "4711"},
		{jws: genuine, want: "events (Signed up) of 1 person, with 3 other identities, and 1 identity alone\n"},
		{jws: genuine, want: "by token 1, by proof 1, by key 2\n"},
		{jws: genuine, want: "1 dead letters cannot be read"},
		{jws: sign(receipt.EvidenceType, map[string]string{"project": "app"}), want: "The evidence is genuine.\n\n{\n  \"project\": \"app\"\n}\n"},
		{jws: genuine[:40] + "x" + genuine[41:], fails: "no key is known"},
		{jws: strings.Replace(genuine, ".", ".e30", 1), fails: "has been altered"},
		{jws: sign("other+jwt", 1), fails: "of another type"},
		{jws: "", fails: "the input is empty"},
		{jws: "hello", fails: "not a receipt"},
	} {
		var out bytes.Buffer
		err := run([]string{"-jwks", jwks, "-"}, strings.NewReader(c.jws), &out)
		switch {
		case c.fails == "" && (err != nil || !strings.Contains(out.String(), c.want)):
			t.Errorf("%.20s: %v\n%s\nwant %q", c.jws, err, &out, c.want)
		case c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails) || out.Len() > 0):
			t.Errorf("%.20s: %v %s, want %q", c.jws, err, &out, c.fails)
		}
	}
	for _, args := range [][]string{{}, {"-"}, {"-jwks", dir + "/none", "-"}, {"-jwks", private, "-"}, {"-jwks", jwks, dir + "/none"}} {
		if err := run(args, strings.NewReader(genuine), &bytes.Buffer{}); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}
