package dashboard

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
)

// personAction answers POST /person. What was done is seen on the page that it leads to:
// the request that was made, or the person's.
func (s *server) personAction(v *visit) error {
	do := v.form.Get("do")
	if do == "find" {
		return v.find()
	}
	p, err := v.subject()
	if err != nil {
		return err
	}
	at := func(pattern string) string { return pathOf(pattern, p.id) }
	switch do {
	case "consent":
		body := map[string]string{"state": v.form.Get("state"), "source": cmp.Or(v.form.Get("source"), "dashboard")}
		for _, name := range []string{"basis", "notice_version"} {
			if text := v.form.Get(name); text != "" {
				body[name] = text
			}
		}
		return v.did(p, p.consentForm(), "consent-set", v.api.send(v.ctx, http.MethodPut, at(consentPath), body, nil))
	case "restrict":
		return v.did(p, p.restrictForm(), "restricted", v.api.send(v.ctx, http.MethodPut, at(restrictionPath), reason(v.form), nil))
	case "unrestrict":
		return v.did(p, &form{Do: do}, "unrestricted", v.api.send(v.ctx, http.MethodDelete, at(restrictionPath), nil, nil))
	case "hold":
		return v.did(p, p.holdForm(), "held", v.api.send(v.ctx, http.MethodPut, at(holdPath), reason(v.form), nil))
	case "unhold":
		return v.did(p, &form{Do: do}, "unheld", v.api.send(v.ctx, http.MethodDelete, at(holdPath), nil, nil))
	case "unlink", "confirm-link", "link":
		return v.changeLink(p, do)
	case "export":
		body := map[string]any{"distinct_ids": []string{p.id}, "scope": scopePerson, "format": v.form.Get("format")}
		return v.asked(p, p.exportForm(), "exports", body)
	case "rectify":
		body, refused := correction(p.id, v.form)
		if refused != nil {
			return v.personRefused(p, p.rectifyForm(), refused)
		}
		return v.asked(p, p.rectifyForm(), "rectifications", body)
	case "delete":
		if err := p.readFacts(v); err != nil {
			return err
		}
		return v.show(surePage([]string{p.id}, p.coverage(), v.form.Get("suppress") == on, personURL(p.sealed, "")))
	case "sure":
		body := map[string]any{"distinct_ids": []string{p.id}, "scope": scopePerson, "suppress": v.form.Get("suppress") == on}
		return v.asked(p, p.deleteForm(), "deletions", body)
	}
	return v.personRefused(p, p.deleteForm(), wrong("do", "This form is not known. Reload the page."))
}

// find answers the search form.
func (v *visit) find() error {
	id := v.form.Get("distinct_id")
	if id == "" || len(id) > 4*255 {
		f := searchForm()
		f.refused(v.form, wrong("distinct_id", "Enter a distinct_id of at most 255 characters."))
		f.Problem = nil
		return v.showAs(http.StatusBadRequest, sheet{Title: "Person", Sections: []section{searchSection(f)}})
	}
	sealed, err := v.seal(id)
	if err != nil {
		return err
	}
	return v.redirect(personURL(sealed, ""))
}

// did goes back to the person with a notice, or to the form that the API refused.
func (v *visit) did(p *subject, f *form, notice string, err error) error {
	if refused := invalid(err); refused != nil {
		return v.personRefused(p, f, refused)
	}
	if err != nil {
		return err
	}
	return v.redirect(personURL(p.sealed, notice))
}

// asked makes a request and goes to it.
func (v *visit) asked(p *subject, f *form, kind string, body any) error {
	id, err := v.ask(kind, body)
	if refused := invalid(err); refused != nil {
		return v.personRefused(p, f, refused)
	}
	if err != nil {
		return err
	}
	return v.redirect(requestURL(kind, id) + "?notice=asked")
}

// ask makes a request of a kind and returns its id.
func (v *visit) ask(kind string, body any) (string, error) {
	var made struct {
		ID string `json:"id"`
	}
	err := v.api.send(v.ctx, http.MethodPost, "/v1/"+kind, body, &made)
	return made.ID, err
}

func (v *visit) personRefused(p *subject, f *form, refused *problem) error {
	f.refused(v.form, refused)
	return v.showPerson(refused.Status, p, f)
}

// scopePerson asks for all of the person, also by the id of a device.
const scopePerson = "person"

// reason is a body that has nothing else.
func reason(form url.Values) map[string]string {
	return map[string]string{"reason": form.Get("reason")}
}

// correction makes the body of a rectification.
func correction(id string, form url.Values) (map[string]any, *problem) {
	given := []byte(form.Get("value"))
	if !json.Valid(given) {
		return nil, wrong("value", `This is not JSON. Write a text in quotation marks, "Berlin"; numbers, true, false and null as they are.`)
	}
	if form.Get("property") == "" {
		return nil, wrong("property", "Name the property.")
	}
	set := map[string]json.RawMessage{form.Get("property"): given}
	body := map[string]any{"distinct_id": id, "scope": scopePerson, "reason": form.Get("reason")}
	if form.Get("in") != "events" {
		body["profile"] = set
	}
	if form.Get("in") != "profile" {
		change := map[string]any{"set": set}
		if text := form.Get("where"); text != "" {
			change["where"] = text
		}
		body["events"] = []any{change}
	} else if form.Get("where") != "" {
		return nil, wrong("where", "A condition is about events. Choose the events, or leave it empty.")
	}
	return body, nil
}
