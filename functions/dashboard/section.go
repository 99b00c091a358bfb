package dashboard

import (
	"net/http"
	"slices"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/staff"
	"github.com/lethe-analytics/lethe/shared/web"
)

// sheet is a page made of sections (templates/sections.html).
type sheet struct {
	Title    string
	Tabs     []link
	Back     *anchor
	Sections []section
}

// section is a part of a page. What it has is shown in the order of its fields.
type section struct {
	Heading string
	Text    []string
	Warning string // something is wrong
	Facts   []fact
	Secret  *secret
	Code    string // to be copied
	Links   []anchor
	Buttons []anchor // links that are the next step
	Forms   []*form
	Table   *table
	Empty   string // instead of a table without rows
	After   string // after the table: what it does not show
	More    *anchor
}

// fact is a name and its value.
type fact struct {
	Name  string
	Value any // a cell of a table; nil: nothing to be told
}

// secret is shown once, in the answer to what made it.
type secret struct{ Name, Value, Hint string }

// add puts a section at the end.
func (s *sheet) add(sections ...section) { s.Sections = append(s.Sections, sections...) }

// show answers with a sheet.
func (v *visit) show(s sheet) error { return v.showAs(http.StatusOK, s) }

// showAs is show with a status.
func (v *visit) showAs(status int, s sheet) error {
	var tables []*table
	for i, part := range s.Sections {
		s.Sections[i].Facts = slices.DeleteFunc(part.Facts, func(f fact) bool { return f.Value == nil })
		for _, f := range part.Forms {
			f.finish()
		}
		if part.Table != nil && len(part.Table.Rows) > 0 {
			tables = append(tables, part.Table)
		}
	}
	if status == http.StatusOK {
		return v.render("sections", s.Title, s, tables...)
	}
	return v.renderAs(status, "sections", s.Title, s, tables...)
}

// may reports whether the API lets the visitor's role use an endpoint. It only decides
// what is offered.
func (v *visit) may(method, path string) bool {
	e := access.Find(method, path)
	if v.session.Staff() {
		return slices.Contains(e.Staff, staff.Role(v.session.Role))
	}
	return e.Role != "" && project.Role(v.session.Role).Includes(e.Role)
}

// wrong is a refusal of the dashboard's own, in the form of the API's.
func wrong(name, detail string) *problem {
	return &problem{web.Problem{Status: http.StatusBadRequest, Title: "The form is not complete", Detail: detail, Errors: []fault.Field{{Name: name, Detail: detail}}}}
}
