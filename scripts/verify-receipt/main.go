// Verify-receipt checks the receipt of an erasure, or a bundle of evidence (GET
// /v1/evidence), and shows what it says.
//
//	verify-receipt -jwks FILE|URL RECEIPT
//
// RECEIPT is a file, or - for standard input. The public keys are those of
// /.well-known/jwks.json; kept in a file, they let a receipt be checked without any
// network, years later. The status is 1 if the receipt is not what was signed.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/receipt"
)

// Limits of what is read.
const (
	maxReceipt = 64 << 20
	maxKeys    = 1 << 20
	timeout    = 30 * time.Second
)

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "verify-receipt:", err)
		os.Exit(1)
	}
}

func run(args []string, stdin io.Reader, out io.Writer) error {
	fs := flag.NewFlagSet("verify-receipt", flag.ContinueOnError)
	from := fs.String("jwks", "", "file or URL of the public keys (the system's /.well-known/jwks.json)")
	asJSON := fs.Bool("json", false, "show what was signed as JSON, and nothing else")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if *from == "" || fs.NArg() != 1 {
		return fmt.Errorf("usage: verify-receipt -jwks FILE|URL RECEIPT (RECEIPT may be - for standard input)")
	}
	keys, err := readKeys(*from)
	if err != nil {
		return err
	}
	jws, err := readReceipt(fs.Arg(0), stdin)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	r, err := receipt.Verify(strings.TrimSpace(jws), keys)
	if errors.Is(err, receipt.ErrType) {
		var evidence json.RawMessage
		if err := receipt.Open(strings.TrimSpace(jws), receipt.EvidenceType, keys, &evidence); err != nil {
			return err
		}
		if !*asJSON {
			fmt.Fprintf(out, "The evidence is genuine.\n\n")
		}
		return enc.Encode(evidence)
	}
	if err != nil {
		return err
	}
	if *asJSON {
		return enc.Encode(r)
	}
	return show(out, r)
}

func readKeys(from string) (*jose.JSONWebKeySet, error) {
	var text []byte
	var err error
	if strings.HasPrefix(from, "https://") || strings.HasPrefix(from, "http://") {
		text, err = fetch(from)
	} else {
		text, err = os.ReadFile(from)
	}
	if err != nil {
		return nil, fmt.Errorf("read the public keys: %w", err)
	}
	keys := &jose.JSONWebKeySet{}
	if err := json.Unmarshal(text, keys); err != nil || len(keys.Keys) == 0 {
		return nil, fmt.Errorf("%s holds no public keys (a JSON Web Key Set is wanted)", from)
	}
	return keys, nil
}

func fetch(url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", url, resp.Status)
	}
	return io.ReadAll(io.LimitReader(resp.Body, maxKeys))
}

func readReceipt(name string, stdin io.Reader) (string, error) {
	in := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return "", fmt.Errorf("read the receipt: %w", err)
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxReceipt))
	if err != nil {
		return "", fmt.Errorf("read the receipt: %w", err)
	}
	if len(text) == 0 {
		return "", fmt.Errorf("there is no receipt to check: the input is empty")
	}
	return string(text), nil
}

// show writes what the receipt says.
func show(out io.Writer, r *receipt.Receipt) error {
	persons, alone, others := map[person.Key]bool{}, 0, 0
	said := map[string]int{} // links, by who has said them
	for _, s := range r.Subjects {
		if s.Scope == receipt.ScopeIdentity {
			alone++
		} else {
			persons[s.Person] = true
		}
		others += len(s.Identities)
		for _, l := range links(s) {
			said[l.By]++
		}
	}
	erased := fmt.Sprintf("%s, with %s", count(len(persons), "person", "persons"), count(others, "other identity", "other identities"))
	if alone > 0 {
		erased += fmt.Sprintf(", and %s alone", count(alone, "identity", "identities"))
	}
	fmt.Fprintf(out, "The receipt is genuine.\n\n")
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	what := "all of"
	switch r.Kind {
	case receipt.KindProperties:
		what = "properties (" + strings.Join(r.Properties, ", ") + ") of"
	case receipt.KindEvents:
		what = "events (" + strings.Join(r.Events, ", ") + ") of"
	}
	fmt.Fprintf(w, "erased\t%s %s\n", what, erased)
	fmt.Fprintf(w, "identities linked\tby token %d, by proof %d, by key %d\n", said["token"], said["proof"], said["key"])
	fmt.Fprintf(w, "project\t%s\n", r.Project)
	fmt.Fprintf(w, "request\t%s\n", r.Request)
	fmt.Fprintf(w, "issued by\t%s\n", r.Issuer)
	fmt.Fprintf(w, "requested\t%s\n", r.RequestedAt.Format(time.RFC3339))
	fmt.Fprintf(w, "finished\t%s\n", r.FinishedAt.Format(time.RFC3339))
	fmt.Fprintf(w, "backups expire\t%s\n\n", r.BackupsExpireAt.Format(time.RFC3339))
	fmt.Fprintf(w, "store\tfound\tdeleted\tchanged\tremaining\n")
	for _, s := range []struct {
		name string
		receipt.Count
	}{
		{"events", r.Stores.Events}, {"profiles", r.Stores.Profiles}, {"profile operations", r.Stores.Operations},
		{"consent history", r.Stores.Consents}, {"archive objects", r.Stores.Archives},
		{"names in requests", r.Stores.Requests}, {"dead letters", r.Stores.DeadLetters},
	} {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\n", s.name, s.Found, s.Deleted, s.Changed, s.Remaining)
	}
	if r.Stores.Unreadable > 0 {
		fmt.Fprintf(w, "\n%d dead letters cannot be read by anybody; the queue drops them after seven days\n", r.Stores.Unreadable)
	}
	return w.Flush()
}

// links are those of a subject.
func links(s receipt.Subject) (all []*receipt.Link) {
	if s.Link != nil {
		all = append(all, s.Link)
	}
	for _, i := range s.Identities {
		if i.Link != nil {
			all = append(all, i.Link)
		}
	}
	return all
}

// count says how many there are.
func count(n int, one, many string) string {
	if n == 1 {
		many = one
	}
	return fmt.Sprintf("%d %s", n, many)
}
