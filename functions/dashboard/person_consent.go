package dashboard

import "net/http"

// bases are the lawful bases of GDPR Art. 6(1).
var bases = []string{"", "not stated", "consent", "consent", "contract", "contract", "legal_obligation", "legal obligation",
	"vital_interests", "vital interests", "public_task", "public task", "legitimate_interests", "legitimate interests"}

func (p *subject) consentSection(v *visit) section {
	c := p.consent
	s := section{Heading: "Consent", Warning: p.refused[consentPath], Facts: []fact{
		{"State", word(c.State)}, {"Basis", text(c.Basis)}, {"Notice", text(c.NoticeVersion)}, {"Source", text(c.Source)}, {"Said by", text(speakers[c.By])}, {"Since", at(c.At)},
	}}
	t := &table{ID: "consents", Caption: "History of consent, the newest first", Columns: []string{"Time", "State", "Said by", "Basis", "Notice", "Source"}}
	linked := p.facts.Identities > 1
	if linked {
		t.Columns = append(t.Columns, "Said as")
	}
	for _, h := range c.History {
		row := []any{at(h.At), word(h.State), text(speakers[h.By]), text(h.Basis), text(h.NoticeVersion), text(h.Source)}
		if linked {
			row = append(row, text(h.DistinctID))
		}
		t.Rows = append(t.Rows, row)
	}
	s.Table, s.Empty = t, "Nothing has been said yet: the project's default counts (Settings, Consent)."
	if c.NextCursor != "" {
		s.More = &anchor{"Older statements", v.again("before", c.NextCursor)}
	}
	if v.may(http.MethodPut, consentPath) {
		s.Forms = []*form{p.consentForm()}
	}
	return s
}

func (p *subject) consentForm() *form {
	return &form{Do: "consent", Action: personURL(p.sealed, ""), Legend: "Set consent…", Folded: true, Button: "Set consent",
		Text: []string{"Once denied, the person's events are dropped, whoever sends them; what is stored stays until it is deleted."},
		Fields: []field{
			{Name: "state", Label: "State", Kind: kindChoice, Options: choice("granted", "granted", "granted", "denied", "denied", "unset", "nothing said (the default counts)")},
			{Name: "basis", Label: "Lawful basis", Kind: kindChoice, Options: choice("", bases...)},
			{Name: "notice_version", Label: "Version of the notice", Max: 255, Placeholder: "2026-11"},
			{Name: "source", Label: "Source", Max: 255, Placeholder: "letter of 3 November", Hint: "Where the person said so. Empty: dashboard."},
		}}
}
