package dashboard

import (
	"net/http"
	"strings"
)

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
		{Name: "scope", Kind: "checkbox", Label: "An id of a device stands for its user as well", Hint: "Without it, it stands for the device alone. An id of a user always stands for all ids of the person."},
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
	if v.form.Get("scope") == on {
		body["scope"] = scopePerson
	}
	switch {
	case what == "exports":
		body["format"] = v.form.Get("format")
	case what == "deletions" && do != "sure":
		sure := []field{{Name: "what", Kind: "hidden", Value: what}, {Name: "distinct_ids", Kind: "hidden", Value: strings.Join(ids, "\n")}}
		covers := "An id of a user stands for all ids of the person; an id of a device stands for the device alone."
		if body["scope"] == scopePerson {
			sure = append(sure, field{Name: "scope", Kind: "hidden", Value: on})
			covers = "All other ids that are known to be the same person go with it."
		}
		return v.show(surePage(ids, []string{covers}, v.form.Get("suppress") == on, "/data-requests/new", sure...))
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

// surePage asks whether persons are really to be deleted, and says whom that covers. The
// form that says yes goes to a page with some hidden fields.
func surePage(ids, covers []string, suppress bool, page string, hidden ...field) sheet {
	title, who := "Delete this person?", "the person"
	if len(ids) > 1 {
		title, who = "Delete "+whole(int64(len(ids)))+" persons?", "these persons"
	}
	f := &form{Do: "sure", Action: page, Button: "Delete for good", Danger: true, Fields: hidden}
	text := []string{
		"All that is known of " + who + " is deleted: events, profile, consent history, archives of exports, and what waits among the dead letters.",
	}
	text = append(append(text, covers...),
		"It begins at once, can not be undone, and ends with a signed receipt. Backups expire on their own; the receipt says when.")
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
