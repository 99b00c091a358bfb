package dashboard

import (
	"net/http"
	"strings"
)

const contactsURL = "/settings/contacts"

func contactsPage(v *visit) error { return shower(showContacts).got(v) }

func showContacts(v *visit, status int, refused *form, first ...section) error {
	var now struct{ Emails []string }
	if err := v.api.get(v.ctx, "/v1/project/contacts", nil, &now); err != nil {
		return err
	}
	page := v.settings("Contacts")
	s := section{Text: []string{"Who is told by e-mail of incidents that affect this project, until one of them is acknowledged."}, Forms: []*form{contactsForm(now.Emails)}}
	if len(now.Emails) == 0 {
		s.Warning = "Nobody is told of an incident. Enter at least one address."
	}
	page.add(s)
	return v.end(status, page, refused, first)
}

func contactsForm(emails []string) *form {
	return &form{Do: "contacts", Action: contactsURL, Button: "Save", Fields: []field{
		{Name: "emails", Label: "E-mail addresses", Kind: kindArea, Value: strings.Join(emails, "\n"), Placeholder: "privacy@example.com", Hint: "One a line, at most 10."},
	}}
}

// contactsAction answers POST /settings/contacts.
func contactsAction(v *visit) error {
	emails := lines(v.form.Get("emails"))
	err := v.api.send(v.ctx, http.MethodPut, "/v1/project/contacts", map[string]any{"emails": emails}, nil)
	return v.saved(showContacts, contactsForm(emails), err, contactsURL+"?notice=saved")
}
