package dashboard

import (
	"net/http"
	"time"
)

// dpaState says whether the project's events are taken.
type dpaState struct {
	Current  string    `json:"current"`
	Accepted string    `json:"accepted"`
	InForce  bool      `json:"in_force"`
	Until    time.Time `json:"until"`
}

func (d *dpaState) words() string {
	switch {
	case d.InForce && d.Accepted == "":
		return "none is needed yet"
	case d.InForce:
		return "✓ accepted, version " + d.Accepted
	}
	return "✗ not accepted"
}

type dpa struct {
	Version     string    `json:"version"`
	TextSHA256  string    `json:"text_sha256"`
	URL         string    `json:"url"`
	EffectiveAt time.Time `json:"effective_at"`
}

const agreementURL = "/settings/agreement"

type agreement struct {
	Current  *dpa     `json:"current"`
	Upcoming []dpa    `json:"upcoming"`
	State    dpaState `json:"state"`
	History  []struct {
		Version    string                      `json:"version"`
		TextSHA256 string                      `json:"text_sha256"`
		AcceptedBy struct{ Name, Role string } `json:"accepted_by"`
		AcceptedAt time.Time                   `json:"accepted_at"`
		By         string                      `json:"by"`
	} `json:"history"`
}

func agreementPage(v *visit) error { return shower(showAgreement).got(v) }

func showAgreement(v *visit, status int, refused *form, first ...section) error {
	var a agreement
	if err := v.api.get(v.ctx, "/v1/project/dpa", nil, &a); err != nil {
		return err
	}
	page := v.settings("Agreement")
	state := section{Text: []string{"The data processing agreement (GDPR Art. 28). Without it being accepted no events are taken."}, Facts: []fact{{"State", a.State.words()}}}
	if !a.State.InForce {
		state.Warning = "Events are refused until the agreement is accepted."
	}
	if !a.State.Until.IsZero() {
		state.Facts = append(state.Facts, fact{"What is accepted is enough until", at(a.State.Until)})
	}
	page.add(state)
	texts := &table{ID: "versions", Caption: "Versions to accept", Columns: []string{"Version", "In effect from", "SHA-256 of the text"}}
	for _, d := range a.versions() {
		texts.Rows = append(texts.Rows, []any{anchor{d.Version + ": read the text", d.URL}, at(d.EffectiveAt), d.TextSHA256})
	}
	part := section{Heading: "Text", Table: texts, Empty: "No agreement has been published yet; there is nothing to do."}
	page.add(part)
	if len(a.versions()) > 0 {
		page.add(section{Forms: []*form{a.form()}})
	}
	past := &table{ID: "accepted", Caption: "What was accepted, the newest first", Columns: []string{"Version", "By", "As", "Time", "With key", "SHA-256 of the text"}}
	for _, h := range a.History {
		past.Rows = append(past.Rows, []any{h.Version, h.AcceptedBy.Name, h.AcceptedBy.Role, at(h.AcceptedAt), h.By, h.TextSHA256})
	}
	page.add(section{Heading: "History", Table: past, Empty: "Nothing was accepted yet."})
	return v.end(status, page, refused, first)
}

// versions are those that can be accepted.
func (a *agreement) versions() (list []dpa) {
	if a.Current != nil {
		list = append(list, *a.Current)
	}
	return append(list, a.Upcoming...)
}

func (a *agreement) form() *form {
	var names []string
	for _, d := range a.versions() {
		names = append(names, d.Version, d.Version)
	}
	return &form{Do: "accept", Action: agreementURL, Legend: "Accept…", Folded: true, Button: "Accept", Text: []string{"You accept for your company. Your name stays on record with the version and the time."}, Fields: []field{
		{Name: "version", Label: "Version", Kind: kindChoice, Options: choice("", names...)},
		{Name: "accepted_by.name", Label: "Your name", Required: true, Max: 64},
		{Name: "accepted_by.role", Label: "Your role", Required: true, Max: 64, Placeholder: "managing director"},
		sureField("I have read the text and may accept it for the company"),
	}}
}

// agreementAction answers POST /settings/agreement.
func agreementAction(v *visit) error {
	var a agreement
	if err := v.api.get(v.ctx, "/v1/project/dpa", nil, &a); err != nil {
		return err
	}
	err := v.sure()
	if err == nil {
		body := map[string]any{"version": v.form.Get("version"), "accepted_by": map[string]string{"name": v.form.Get("accepted_by.name"), "role": v.form.Get("accepted_by.role")}}
		err = v.api.send(v.ctx, http.MethodPost, "/v1/project/dpa", body, nil)
	}
	return v.saved(showAgreement, a.form(), err, agreementURL+"?notice=accepted")
}
