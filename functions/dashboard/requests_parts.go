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
	if r.Persons != nil {
		s.Facts = append(s.Facts, fact{"distinct_ids asked for", *r.Persons})
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
	who := &table{ID: "subjects", Caption: "Persons", Columns: []string{"Person (keyed hash)", "Linked", "Gone is all received up to"}}
	for _, p := range r.Subjects {
		linked := make([]string, len(p.Linked))
		for i, k := range p.Linked {
			linked[i] = string(k)
		}
		who.Rows = append(who.Rows, []any{string(p.Person), text(strings.Join(linked, " ")), at(p.Fence)})
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

// maxPersons is how many distinct_ids one request may name.
const maxPersons = 2000

// maxPersonsForm holds that many of the longest, as a form encodes them, in bytes.
const maxPersonsForm = 8 << 20

func newRequestForm(v *visit) *form {
	var what []string
	if v.may(http.MethodPost, "/v1/exports") {
		what = append(what, "exports", "Export")
	}
	if v.may(http.MethodPost, "/v1/deletions") {
		what = append(what, "deletions", "Delete (you are asked once more)")
	}
	return &form{Do: "new", Action: "/data-requests/new", Button: "Continue", Fields: []field{
		{Name: "what", Label: "What to do", Kind: kindChoice, Options: choice("", what...)},
		{Name: "distinct_ids", Label: "distinct_ids, one a line", Kind: kindArea, Required: true, Hint: "Up to 2,000. Spaces around a line are left out."},
		{Name: "format", Label: "Events of an export as", Kind: kindChoice, Options: choice("ndjson", formats...)},
		suppressField(),
	}}
}

// newRequestPage answers GET /data-requests/new.
func (s *server) newRequestPage(v *visit) error {
	return v.newRequest(http.StatusOK, newRequestForm(v))
}

func (v *visit) newRequest(status int, f *form) error {
	return v.showAs(status, sheet{Title: "New request", Back: &anchor{"Requests", "/data-requests"}, Sections: []section{{Forms: []*form{f}}}})
}

// newRequestAction answers POST /data-requests/new. A deletion is asked for twice.
func (s *server) newRequestAction(v *visit) error {
	ids := lines(v.form.Get("distinct_ids"))
	what, do := v.form.Get("what"), v.form.Get("do")
	refuse := func(p *problem) error {
		f := newRequestForm(v)
		f.refused(v.form, p)
		return v.newRequest(p.Status, f)
	}
	if len(ids) == 0 || len(ids) > maxPersons {
		return refuse(wrong("distinct_ids", "Enter 1 to 2,000 distinct_ids, one a line."))
	}
	body := map[string]any{"distinct_ids": ids}
	switch {
	case what == "exports":
		body["format"] = v.form.Get("format")
	case what == "deletions" && do != "sure":
		sure := []field{{Name: "what", Kind: "hidden", Value: what}, {Name: "distinct_ids", Kind: "hidden", Value: strings.Join(ids, "\n")}}
		return v.show(surePage(ids, v.form.Get("suppress") == on, "/data-requests/new", sure...))
	case what == "deletions":
		body["suppress"] = v.form.Get("suppress") == on
	default:
		return refuse(wrong("what", "Choose what to do."))
	}
	id, err := v.ask(what, body)
	if p := invalid(err); p != nil {
		return refuse(p)
	}
	if err != nil {
		return err
	}
	return v.redirect(requestURL(what, id) + "?notice=asked")
}

// surePage asks whether persons are really to be deleted; the form that says yes goes to a
// page with some hidden fields.
func surePage(ids []string, suppress bool, page string, hidden ...field) sheet {
	title, who := "Delete this person?", "the person"
	if len(ids) > 1 {
		title, who = "Delete "+whole(int64(len(ids)))+" persons?", "these persons"
	}
	f := &form{Do: "sure", Action: page, Button: "Delete for good", Danger: true, Fields: hidden}
	text := []string{
		"All that is known of " + who + " is deleted: events, profile, consent history, archives of exports, and what waits among the dead letters. All other distinct_ids that are known to be the same person go with it.",
		"It begins at once, can not be undone, and ends with a signed receipt. Backups expire on their own; the receipt says when.",
	}
	if suppress {
		f.Fields = append(f.Fields, field{Name: "suppress", Kind: "hidden", Value: on})
		text = append(text, "Consent is withdrawn as well: events that are still sent are dropped.")
	} else {
		text = append(text, "Consent stays as it is: an event that is sent afterwards begins a new record.")
	}
	shown := strings.Join(ids[:min(len(ids), 20)], "\n")
	if len(ids) > 20 {
		shown += "\n… and " + whole(int64(len(ids)-20)) + " more"
	}
	return sheet{Title: title, Sections: []section{{Text: text, Code: shown, Forms: []*form{f}, More: &anchor{"No, go back", page}}}}
}
