package dashboard

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/lethe-analytics/lethe/shared/web"
)

// form is a form that is sent by POST (or GET), as templates/sections.html writes it.
type form struct {
	Do     string // tells the forms of a page apart; the field "do" of what is sent
	Action string // where it is sent; empty: the page itself
	Get    bool
	Legend string
	Text   []string // what will happen
	Fields []field
	Button string
	Danger bool // the button destroys something
	Folded bool // closed until it is wanted
	Row    bool // fields beside each other

	Problem *problem
}

// Kinds of fields, beside those of HTML's input.
const (
	kindArea   = "area"   // several lines
	kindChoice = "choice" // one of the options
	kindChecks = "checks" // any of the options
)

// field is one field of a form. Its name is that of the API's field.
type field struct {
	Name, Label, Hint string
	Kind              string // of an input; empty: text
	Value             string // of a checkbox: "on" if it is set
	Placeholder       string
	Options           []option
	Required          bool
	Max               int // characters, or of a number
	ID, Wrong         string
}

// on is the value of a checkbox that is set.
const on = "on"

// finish gives the fields their ids.
func (f *form) finish() {
	for i := range f.Fields {
		f.Fields[i].ID = f.Do + "-" + f.Fields[i].Name
	}
}

// refused puts what was typed back into the form, and what is wrong beside the fields.
func (f *form) refused(sent url.Values, p *problem) {
	f.Problem = p
	for i := range f.Fields {
		at := &f.Fields[i]
		if at.Wrong = p.about(at.Name); at.Wrong != "" && at.Kind != "hidden" && len(p.Errors) == 1 {
			f.Problem = &problem{web.Problem{Status: p.Status, Detail: "“" + at.Label + "” needs another look."}}
		}
		at.Value = sent.Get(at.Name)
		at.Options = slices.Clone(at.Options)
		for j := range at.Options {
			at.Options[j].Chosen = slices.Contains(sent[at.Name], at.Options[j].Value)
		}
	}
}

// about is what is wrong with a field or a line of it: of a list, the API names the item.
func (p *problem) about(name string) string {
	for _, e := range p.Errors {
		rest, ok := strings.CutPrefix(e.Name, name)
		switch {
		case !ok:
		case rest == "":
			return e.Detail
		case rest[0] == '[':
			number, _, _ := strings.Cut(rest[1:], "]")
			if n, err := strconv.Atoi(number); err == nil {
				return "Line " + strconv.Itoa(n+1) + ": " + e.Detail
			}
		case rest[0] == '.':
			return rest[1:] + ": " + e.Detail
		}
	}
	return ""
}

// lines are the lines of a text that are not empty.
func lines(text string) []string {
	list := []string{}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			list = append(list, line)
		}
	}
	return list
}
