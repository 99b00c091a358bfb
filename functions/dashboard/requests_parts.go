package dashboard

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/lethe-analytics/lethe/shared/receipt"
)

func (r *request) stateSection(k kind) section {
	s := section{Facts: []fact{{"Request", r.ID}, {"State", word(r.Status)}, {"Made", at(r.CreatedAt)}, {"Begun", at(r.StartedAt)}, {"Finished", at(r.FinishedAt)}, {"Made by key", text(r.By)}}}
	s.Facts = append(s.Facts, fact{"Decided", at(r.DecidedAt)}, fact{"Decided by key", text(r.DecidedBy)})
	if r.Persons != nil {
		s.Facts = append(s.Facts, fact{"distinct_ids asked for", *r.Persons})
	}
	if r.Scope == scopePerson {
		s.Facts = append(s.Facts, fact{"Covers", "all ids of the persons"})
	}
	if r.From != "" || r.To != "" {
		s.Facts = append(s.Facts, fact{"Days", r.From + " to " + r.To})
	}
	if r.Format != "" {
		s.Facts = append(s.Facts, fact{"Events as", r.Format})
	}
	if r.Reason != "" {
		s.Facts = append(s.Facts, fact{"Reason", r.Reason})
	}
	if k.key == "deletions" {
		consent := "as it was"
		if r.Suppress {
			consent = "withdrawn"
		}
		s.Facts = append(s.Facts, fact{"Consent", consent})
	}
	if r.Failure != "" {
		s.Warning = "It failed: " + r.Failure
	}
	if p := r.Progress; p != nil {
		s.Facts = append(s.Facts, fact{"Doing", p.Stage}, fact{"Events so far", p.Events})
	}
	return s
}

// partSections are what a request came to.
func (r *request) partSections(v *visit) (all []section) {
	if c := r.Contents; c != nil {
		s := section{Heading: "Archive", Facts: []fact{{"Events", c.Events}, {"Files", c.Files}, {"Bytes", c.Bytes}}}
		if r.Gone != "" {
			s.Text = []string{"The archive is not there any more: " + r.Gone + "."}
		} else {
			s.Text = []string{"A ZIP file with an index.html to begin with. Each download makes a link that works for some minutes; the archive is kept for 7 days, or for as long as events are if that is less. It holds personal data: hand it to nobody but the person."}
			s.Buttons = []anchor{{"Download", requestURL("exports", r.ID) + "/download"}}
		}
		all = append(all, s)
	}
	if r.Stores != nil {
		s := section{Heading: "What was found and deleted", Table: storesTable(*r.Stores)}
		if v.may(http.MethodGet, "/v1/deletions/{id}/receipt") {
			s.Buttons = []anchor{{"Receipt", requestURL("deletions", r.ID) + "/receipt"}}
		}
		all = append(all, s)
	}
	if c := r.Counts; c != nil {
		t := &table{ID: "counts", Caption: "Counts", Columns: []string{"Where", "Changed"}, Rows: [][]any{
			{"properties of the profile", c.Profile["properties"]}, {"events", c.Events["changed"]},
		}}
		all = append(all, section{Heading: "What was changed", Facts: []fact{{"distinct_ids of the person", c.Persons}}, Table: t})
	}
	return all
}

func storesTable(s receipt.Stores) *table {
	t := &table{ID: "stores", Caption: "Counts", Columns: []string{"Where", "Found", "Deleted", "Changed", "Left"}}
	for _, row := range []struct {
		name string
		receipt.Count
	}{
		{"events", s.Events}, {"profiles", s.Profiles}, {"profile operations", s.Operations}, {"consent history", s.Consents},
		{"archives of exports", s.Archives}, {"requests", s.Requests}, {"dead letters", s.DeadLetters},
	} {
		t.Rows = append(t.Rows, []any{row.name, row.Found, row.Deleted, row.Changed, row.Remaining})
	}
	return t
}

// download answers GET /data-requests/exports/{id}/download: the link to the archive is
// made at the click.
func (s *server) download(v *visit) error {
	r, err := v.request(kinds[0])
	if err != nil {
		return err
	}
	if r.URL == "" {
		return v.failure(http.StatusGone, failure{Title: "There is nothing to download", Detail: "The archive is not there, or not there any more. The request's page says why."})
	}
	return v.redirect(r.URL)
}

// receiptOf reads a deletion's receipt as it was signed.
func (v *visit) receiptOf() (string, error) {
	resp, err := v.api.do(v.ctx, http.MethodGet, "/v1/deletions/"+url.PathEscape(v.r.PathValue("id"))+"/receipt", nil)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	jws, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return "", unreachable(http.MethodGet, err)
	}
	return strings.TrimSpace(string(jws)), nil
}

// receiptPage answers GET /data-requests/deletions/{id}/receipt.
func (s *server) receiptPage(v *visit) error {
	jws, err := v.receiptOf()
	if err != nil {
		return err
	}
	var keys jose.JSONWebKeySet
	if err := v.api.get(v.ctx, "/.well-known/jwks.json", nil, &keys); err != nil {
		return err
	}
	id := v.r.PathValue("id")
	page := sheet{Title: "Receipt", Back: &anchor{"The deletion", requestURL("deletions", id)}}
	how := section{Heading: "Check it yourself", Text: []string{"Download the receipt and keep it. It names persons by keyed hashes alone, and can be verified without Lethe, with the public key:"},
		Code:    "go run ./scripts/verify-receipt -jwks " + strings.TrimSuffix(s.config.PublicURL, "/") + "/.well-known/jwks.json receipt.jws",
		Buttons: []anchor{{"Download the receipt", requestURL("deletions", id) + "/receipt.jws"}}}
	r, err := receipt.Verify(jws, &keys)
	if err != nil {
		page.add(section{Warning: "✗ BAD: " + err.Error() + "."}, how)
		return v.show(page)
	}
	first := section{Text: []string{"✓ The signature is good."}, Facts: []fact{
		{"Signed by", r.Issuer}, {"Signed", time.Unix(r.IssuedAt, 0)}, {"Project", r.Project}, {"Request", r.Request}, {"Asked for", at(r.RequestedAt)}, {"Finished", at(r.FinishedAt)},
		{"Erased", map[string]string{receipt.KindPersons: "all of the persons", receipt.KindProperties: "properties: " + strings.Join(r.Properties, ", "), receipt.KindEvents: "events: " + strings.Join(r.Events, ", ")}[r.Kind]},
		{"Persons", len(r.Subjects)}, {"Last backup expires", at(r.BackupsExpireAt)},
	}}
	who := &table{ID: "subjects", Caption: "Persons", Columns: []string{"Identity (keyed hash)", "Erased with it", "Gone is all received up to"}}
	for _, p := range r.Subjects {
		linked := make([]string, len(p.Identities))
		for i, other := range p.Identities {
			linked[i] = string(other.Identity)
		}
		who.Rows = append(who.Rows, []any{string(p.Identity), text(strings.Join(linked, " ")), at(p.Fence)})
	}
	page.add(first, section{Heading: "What was found, deleted and counted again", Table: storesTable(r.Stores)}, section{Heading: "Who", Table: who}, how)
	return v.show(page)
}

// receiptFile answers GET /data-requests/deletions/{id}/receipt.jws.
func (s *server) receiptFile(v *visit) error {
	jws, err := v.receiptOf()
	if err != nil {
		return err
	}
	v.w.Header().Set("Content-Type", "application/jose")
	v.w.Header().Set("Content-Disposition", `attachment; filename="receipt.jws"`)
	_, _ = io.WriteString(v.w, jws) // a client that went away is no error
	return nil
}
