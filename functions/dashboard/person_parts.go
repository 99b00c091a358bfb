package dashboard

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// words of states, as pages show them.
var words = map[string]string{
	"unset": "nothing said", "granted": "granted", "denied": "denied",
	"queued": "queued", "running": "running", "done": "✓ done", "failed": "✗ failed", "cancelled": "cancelled",
	"pending": "waits for approval", "approved": "✓ live", "ended": "ended", "expired": "expired",
	"delivered": "✓ delivered", "needs_confirmation": "waits for confirmation",
}

// word is a state in words.
func word(state string) string {
	if w := words[state]; w != "" {
		return w
	}
	return state
}

// at is a time as a cell; nil if there is none.
func at(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t
}

// text is a text as a cell; nil if there is none.
func text(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// value is a JSON value as it is shown: a text without its quotation marks.
func value(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil && len(raw) > 0 && raw[0] == '"' {
		return s
	}
	return string(raw)
}

func (p *subject) whoSection(v *visit) section {
	facts := []fact{{"distinct_id", p.id}}
	if p.unknown {
		text := "Nothing is known of this distinct_id: no event, no profile. The id must be written as the app sends it, to the letter."
		if v.may(http.MethodPut, consentPath) {
			text += " Consent and restriction can be set all the same, and hold from the first event on."
		}
		return section{Heading: "Who", Facts: facts, Text: []string{text}}
	}
	if why := p.refused[personPath]; why != "" {
		return section{Heading: "Who", Facts: facts, Warning: why}
	}
	facts = append(facts, fact{"Ids of the person", p.facts.Identities}, fact{"First seen", at(p.facts.FirstSeen)}, fact{"Consent", word(p.facts.Consent.State)})
	if p.restriction.Restricted {
		facts = append(facts, fact{"Restricted since", at(p.restriction.Since)})
	}
	return section{Heading: "Who", Facts: facts}
}

func (p *subject) profileSection() section {
	t := &table{ID: "profile", Caption: "Properties", Columns: []string{"Property", "Value"}}
	for _, name := range slices.Sorted(maps.Keys(p.facts.Profile)) {
		t.Rows = append(t.Rows, []any{name, value(p.facts.Profile[name])})
	}
	return section{Heading: "Profile", Table: t, Empty: "No profile. An SDK sets one with /engage ($set)."}
}

func (p *subject) timelineSection(v *visit) section {
	s := section{Heading: "Timeline", Warning: p.refused[eventsPath], Empty: "No events in these days."}
	if !v.may(http.MethodGet, eventsPath) {
		s.Empty = "Your role does not see a person's events."
		return s
	}
	s.Forms = []*form{{Do: "days", Get: true, Action: "/person", Button: "Show", Row: true, Fields: []field{
		{Name: "p", Kind: "hidden", Value: p.sealed},
		{Name: "from", Label: "From", Kind: "date", Value: v.query.Get("from")},
		{Name: "to", Label: "To", Kind: "date", Value: v.query.Get("to")},
	}}}
	linked := p.facts.Identities > 1
	t := &table{ID: "timeline", Caption: "Events, the newest first", Columns: []string{"Time (UTC)", "Event", "Properties"}}
	if linked {
		t.Columns = append(t.Columns, "Sent as")
	}
	for _, e := range p.timeline.Events {
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(e.Properties)) {
			if name != "distinct_id" && name != "$insert_id" {
				parts = append(parts, name+": "+value(e.Properties[name]))
			}
		}
		row := []any{toTheSecond(e.Time), e.Event, text(strings.Join(parts, ", "))}
		if linked {
			row = append(row, value(e.Properties["distinct_id"]))
		}
		t.Rows = append(t.Rows, row)
	}
	s.Table = t
	if p.timeline.NextCursor != "" {
		s.More = &anchor{"Older events", v.again("cursor", p.timeline.NextCursor)}
	}
	return s
}

// again is the page's own URL with a parameter changed, or left out if it is empty.
func (v *visit) again(name, value string) string {
	q := v.r.URL.Query()
	q.Del("notice")
	q.Del(name)
	if value != "" {
		q.Set(name, value)
	}
	if len(q) == 0 {
		return v.r.URL.Path
	}
	return v.r.URL.Path + "?" + q.Encode()
}

func (p *subject) restrictionSection(v *visit) section {
	s := section{Heading: "Restriction", Warning: p.refused[restrictionPath]}
	if !p.restriction.Restricted {
		s.Text = []string{"Not restricted."}
		if v.may(http.MethodPut, restrictionPath) {
			s.Forms = []*form{p.restrictForm()}
		}
		return s
	}
	s.Facts = []fact{{"Restricted since", at(p.restriction.Since)}, {"Reason", text(p.restriction.Reason)}}
	if v.may(http.MethodDelete, restrictionPath) {
		s.Forms = []*form{{Do: "unrestrict", Action: personURL(p.sealed, ""), Button: "Lift the restriction",
			Text: []string{"The person's data comes back into reports and exports."}}}
	}
	return s
}

func (p *subject) restrictForm() *form {
	return &form{Do: "restrict", Action: personURL(p.sealed, ""), Legend: "Restrict…", Folded: true, Button: "Restrict",
		Text:   []string{"The data is kept, but stands in no report and in no export but the person's own, until the restriction is lifted (GDPR Art. 18)."},
		Fields: []field{{Name: "reason", Label: "Reason (optional)", Max: 500}}}
}

func (p *subject) holdSection(v *visit) section {
	s := section{Heading: "Legal hold", Warning: p.refused[holdPath]}
	if !p.held.Held {
		s.Text = []string{"No legal hold on this person."}
		s.Forms = []*form{p.holdForm()}
		return s
	}
	s.Facts = []fact{{"Held since", at(p.held.Since)}, {"Reason", text(p.held.Reason)}}
	s.Forms = []*form{{Do: "unhold", Action: personURL(p.sealed, ""), Button: "End the hold",
		Text: []string{"The next purge takes what is older than the retention."}}}
	return s
}

func (p *subject) holdForm() *form {
	return &form{Do: "hold", Action: personURL(p.sealed, ""), Legend: "Put on hold…", Folded: true, Button: "Put on hold",
		Text:   []string{"Retention does not purge the person's data while the hold lasts. A deletion that the person asks for is not stopped by it."},
		Fields: []field{{Name: "reason", Label: "Reason", Required: true, Max: 1000}}}
}

// rightsSection is what can be asked for the person.
func (p *subject) rightsSection(v *visit) section {
	s := section{Heading: "Requests"}
	if v.may(http.MethodPost, "/v1/exports") {
		s.Forms = append(s.Forms, p.exportForm())
	}
	if v.may(http.MethodPost, "/v1/rectifications") {
		s.Forms = append(s.Forms, p.rectifyForm())
	}
	if v.may(http.MethodPost, "/v1/deletions") {
		s.Forms = append(s.Forms, p.deleteForm())
	}
	if len(s.Forms) == 0 {
		s.Text = []string{"To export, correct or delete what is known of a person takes a key of the role privacy or admin; you are signed in as " + v.session.Role + "."}
		return s
	}
	s.Links = []anchor{{"All requests", "/data-requests"}}
	return s
}

// formats of the events of an export.
var formats = []string{"ndjson", "JSON, one event a line (ndjson)", "json", "JSON, one list", "csv", "CSV"}

func (p *subject) exportForm() *form {
	return &form{Do: "export", Action: personURL(p.sealed, ""), Legend: "Export…", Folded: true, Button: "Export",
		Text:   append([]string{"Makes an archive of all that is known of the person: profile, consent, events (GDPR Art. 15 and 20). It can be downloaded for 7 days, or for as long as events are kept if that is less."}, p.coverage()...),
		Fields: []field{{Name: "format", Label: "Events as", Kind: kindChoice, Options: choice("ndjson", formats...)}}}
}

func (p *subject) deleteForm() *form {
	return &form{Do: "delete", Action: personURL(p.sealed, ""), Legend: "Delete…", Folded: true, Button: "Delete…", Danger: true,
		Text:   append(p.coverage(), "You are asked once more before anything is deleted."),
		Fields: []field{suppressField()}}
}

func suppressField() field {
	return field{Name: "suppress", Kind: "checkbox", Label: "Withdraw consent as well",
		Hint: "Events that are still sent are then dropped. Without it, a new event begins a new record."}
}

func (p *subject) rectifyForm() *form {
	return &form{Do: "rectify", Action: personURL(p.sealed, ""), Legend: "Correct…", Folded: true, Button: "Correct",
		Text: append([]string{"Sets a property to a new value, in what is stored (GDPR Art. 16). Neither the old value nor the new one is kept in the request."}, p.coverage()...),
		Fields: []field{
			{Name: "in", Label: "In", Kind: kindChoice, Options: choice("profile", "profile", "the profile", "events", "the person's events", "both", "both")},
			{Name: "property", Label: "Property", Required: true, Max: 255},
			{Name: "value", Label: "New value, as JSON", Required: true, Placeholder: `"Berlin"`, Hint: `A text stands in quotation marks: "Berlin". Numbers and true, false do not.`},
			{Name: "where", Label: "Only events for which this holds (optional)", Placeholder: `properties["city"] == "Berln"`},
			{Name: "reason", Label: "Reason", Required: true, Max: 500},
		}}
}
