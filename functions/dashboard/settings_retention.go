package dashboard

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// keeping is what is kept for how long.
type keeping struct {
	Days  *int   `json:"retention_days"`
	Rules []rule `json:"rules"`
}

type rule struct {
	Event    string `json:"event,omitempty"`
	Property string `json:"property,omitempty"`
	Days     int    `json:"days"`
}

type retentionAnswer struct {
	keeping
	Pending *struct {
		keeping
		EffectiveAt time.Time `json:"effective_at"`
		By          string    `json:"by"`
	} `json:"pending"`
	Hold hold `json:"hold"`
	Runs []struct {
		Day        string    `json:"day"`
		StartedAt  time.Time `json:"started_at"`
		FinishedAt time.Time `json:"finished_at"`
		Chunks     int       `json:"chunks"`
		Events     int       `json:"events"`
		Changed    int       `json:"changed"`
		Persons    int       `json:"persons"`
		Held       bool      `json:"held"`
		Overdue    bool      `json:"overdue"`
	} `json:"runs"`
}

const retentionURL = "/settings/retention"

func retentionSettings(v *visit) error { return shower(showRetention).got(v) }

func showRetention(v *visit, status int, refused *form, first ...section) error {
	var a retentionAnswer
	if err := v.api.get(v.ctx, "/v1/retention", nil, &a); err != nil {
		return err
	}
	page := v.settings("Retention")
	now := section{Heading: "In force", Facts: []fact{{"Events are kept", days(a.Days)}}, Table: a.keeping.table("rules", "Rules for single events and properties")}
	page.add(now)
	if p := a.Pending; p != nil {
		page.add(section{Heading: "Waiting", Text: []string{"Keeping less takes effect after 24 hours, and can be taken back until then."},
			Facts: []fact{{"Events will be kept", days(p.Days)}, {"From", at(p.EffectiveAt)}, {"Decided by key", p.By}},
			Table: p.keeping.table("pending-rules", "Rules that will be in force"),
			Forms: []*form{{Do: "take-back", Action: retentionURL, Button: "Take it back"}}})
	}
	page.add(section{Heading: "Change", Forms: []*form{retentionForm(a.keeping)}}, a.holdSection())
	t := &table{ID: "runs", Caption: "The last purges", Columns: []string{"Day", "State", "Events purged", "Events changed", "Persons of whom nothing was left"}}
	for _, r := range a.Runs {
		state := "✓ done"
		switch {
		case r.Held:
			state = "on hold"
		case r.Overdue:
			state = "✗ overdue"
		case r.FinishedAt.IsZero():
			state = "running"
		}
		t.Rows = append(t.Rows, []any{r.Day, state, r.Events, r.Changed, r.Persons})
	}
	page.add(section{Heading: "Purges", Table: t, Empty: "None yet: the purge runs once a day."})
	return v.end(status, page, refused, first)
}

func (k *keeping) table(id, caption string) *table {
	t := &table{ID: id, Caption: caption, Columns: []string{"Name", "What", "Kept (days)"}}
	for _, r := range k.Rules {
		if r.Event != "" {
			t.Rows = append(t.Rows, []any{r.Event, "event", r.Days})
		} else {
			t.Rows = append(t.Rows, []any{r.Property, "property of all events", r.Days})
		}
	}
	return t
}

func retentionForm(k keeping) *form {
	var rules []string
	for _, r := range k.Rules {
		if r.Event != "" {
			rules = append(rules, strconv.Itoa(r.Days)+" event "+r.Event)
		} else {
			rules = append(rules, strconv.Itoa(r.Days)+" property "+r.Property)
		}
	}
	f := &form{Do: "preview", Action: retentionURL, Button: "Preview", Text: []string{"Nothing is changed yet: the next page counts what would be purged, and asks."}, Fields: []field{
		{Name: "retention_days", Label: "Keep events for (days)", Kind: "number", Max: 36500, Hint: "Empty: without limit."},
		{Name: "rules", Label: "Shorter, for single events or properties", Kind: kindArea, Value: strings.Join(rules, "\n"), Placeholder: "30 event Page viewed\n90 property ip",
			Hint: "One a line: days, “event” or “property”, and its name."},
	}}
	if k.Days != nil {
		f.Fields[0].Value = strconv.Itoa(*k.Days)
	}
	return f
}

// readKeeping reads the form.
func (v *visit) readKeeping() (k keeping, refused *problem) {
	if text := strings.TrimSpace(v.form.Get("retention_days")); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			return k, wrong("retention_days", "Enter a whole number of days, or nothing for no limit.")
		}
		k.Days = &n
	}
	k.Rules = []rule{}
	for i, line := range lines(v.form.Get("rules")) {
		number, rest, _ := strings.Cut(line, " ")
		what, name, _ := strings.Cut(strings.TrimSpace(rest), " ")
		n, err := strconv.Atoi(number)
		r := rule{Days: n}
		switch what {
		case "event":
			r.Event = strings.TrimSpace(name)
		case "property":
			r.Property = strings.TrimSpace(name)
		}
		if err != nil || r.Event+r.Property == "" {
			return k, wrong("rules", "Line "+strconv.Itoa(i+1)+`: write the days, "event" or "property", and the name: 30 event Page viewed`)
		}
		k.Rules = append(k.Rules, r)
	}
	return k, nil
}

// retentionAction answers POST /settings/retention.
func retentionAction(v *visit) error {
	switch do := v.form.Get("do"); do {
	case "take-back":
		return v.saved(showRetention, &form{Do: do, Action: retentionURL, Button: "Take it back"}, v.api.send(v.ctx, http.MethodDelete, "/v1/retention/pending", nil, nil), retentionURL+"?notice=taken-back")
	case "hold":
		return v.saved(showRetention, projectHoldForm(), v.api.send(v.ctx, http.MethodPut, "/v1/retention/hold", reason(v.form), nil), retentionURL+"?notice=held")
	case "unhold":
		return v.saved(showRetention, &form{Do: do}, v.api.send(v.ctx, http.MethodDelete, "/v1/retention/hold", nil, nil), retentionURL+"?notice=unheld")
	case "preview", "confirm":
		return v.changeRetention(do == "confirm")
	}
	return unknownForm()
}

// changeRetention shows what a change would purge, and makes it once that is confirmed.
func (v *visit) changeRetention(confirmed bool) error {
	k, refused := v.readKeeping()
	if refused != nil {
		return v.saved(showRetention, retentionForm(k), refused, "")
	}
	if confirmed {
		var a retentionAnswer
		err := v.api.send(v.ctx, http.MethodPut, "/v1/retention", k, &a)
		to := retentionURL + "?notice=saved"
		if a.Pending != nil {
			to = retentionURL + "?notice=waits"
		}
		return v.saved(showRetention, retentionForm(k), err, to)
	}
	var would struct {
		KeptFrom string `json:"kept_from"`
		Events   int    `json:"events"`
		Changed  int    `json:"changed"`
		Complete bool   `json:"complete"`
	}
	if err := v.api.send(v.ctx, http.MethodPost, "/v1/retention/preview", k, &would); err != nil {
		return v.saved(showRetention, retentionForm(k), err, "")
	}
	page := v.settings("Change the retention?")
	s := section{Facts: []fact{{"Events will be kept", days(k.Days)}, {"First day that is kept", text(would.KeptFrom)}, {"Events that would be purged today", would.Events}, {"Events that would lose a property", would.Changed}},
		Table: k.table("rules", "Rules"), More: &anchor{"No, go back", retentionURL}}
	if !would.Complete {
		s.Warning = "There is too much to count in time: these numbers are the least that would be purged."
	}
	s.Text = []string{"What is purged is gone for good. Where less is kept than now, the change waits for 24 hours and can be taken back until then; where more is kept, it holds at once."}
	s.Forms = []*form{{Do: "confirm", Action: retentionURL, Button: "Change it", Danger: would.Events+would.Changed > 0, Fields: []field{
		{Name: "retention_days", Kind: "hidden", Value: v.form.Get("retention_days")}, {Name: "rules", Kind: "hidden", Value: v.form.Get("rules")},
	}}}
	page.add(s)
	return v.show(page)
}

func (a *retentionAnswer) holdSection() section {
	s := section{Heading: "Legal hold"}
	if a.Hold.Held {
		s.Facts = []fact{{"Held since", at(a.Hold.Since)}, {"Reason", text(a.Hold.Reason)}}
		s.Forms = []*form{{Do: "unhold", Action: retentionURL, Button: "End the hold", Text: []string{"The next purge takes what is older than the retention."}}}
		return s
	}
	s.Text = []string{"None. A hold on a single person is set on the page of the person."}
	s.Forms = []*form{projectHoldForm()}
	return s
}

func projectHoldForm() *form {
	return &form{Do: "hold", Action: retentionURL, Legend: "Put the project on hold…", Folded: true, Button: "Put on hold",
		Text:   []string{"Nothing of the project is purged while the hold lasts. It does not stop a deletion that a person asks for."},
		Fields: []field{{Name: "reason", Label: "Reason", Required: true, Max: 1000}}}
}
