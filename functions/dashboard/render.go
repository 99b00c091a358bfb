package dashboard

import (
	"bytes"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/lethe-analytics/lethe/shared/fault"
)

// templates holds each page's template, in the layout.
type templates map[string]*template.Template

// funcs are what templates can call.
var funcs = template.FuncMap{
	"when":  func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") },
	"show":  show,
	"class": class,
	"inc":   func(i int) int { return i + 1 },
	"url": func(cell any) string {
		a, _ := cell.(anchor)
		return a.URL
	},
	"plural": func(n int, one, many string) string {
		if n == 1 {
			return "1 " + one
		}
		return whole(int64(n)) + " " + many
	},
}

// parseTemplates reads templates/*.html: layout.html and parts.html are in every page.
func parseTemplates() (templates, error) {
	base, err := template.New("layout.html").Funcs(funcs).ParseFS(files, "templates/layout.html", "templates/parts.html")
	if err != nil {
		return nil, fmt.Errorf("read templates: %w", err)
	}
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		return nil, err
	}
	all := templates{}
	for _, name := range names {
		short := strings.TrimSuffix(path.Base(name), ".html")
		if short == "layout" || short == "parts" {
			continue
		}
		t, err := base.Clone()
		if err == nil {
			t, err = t.ParseFS(files, name)
		}
		if err != nil {
			return nil, fmt.Errorf("read template %s: %w", short, err)
		}
		all[short] = t
	}
	return all, nil
}

// around is what a template gets: its page's data, and what the layout shows.
type around struct {
	Title   string
	Nav     []link
	Session *session // nil where nobody is signed in
	Project string
	Notice  string
	Data    any
	Tables  map[string]*table
}

// notices are what a page can say at its top after a redirect to it with ?notice=KEY.
var notices = map[string]string{
	"consent-set": "Consent is set.", "restricted": "The person is restricted.", "unrestricted": "The restriction is lifted.",
	"held": "The hold is in force.", "unheld": "The hold has ended.", "asked": "The request is made.", "cancelled": "The request is cancelled.",
	"saved": "Saved.", "revoked": "It is revoked.", "deleted": "It is deleted.", "taken-back": "The change is taken back.", "accepted": "The agreement is accepted.",
	"linked": "The id is linked.", "unlinked": "The link is taken back.", "link-confirmed": "The link is confirmed.",
	"confirmed": "It is confirmed, and goes on.", "refused": "It is refused: nobody is meant.", "secrets-ended": "Nothing proves an identity any more.",
	"waits": "The change waits for 24 hours; until then it can be taken back.", "ended": "The grant has ended.",
}

// render answers with a page: templates/NAME.html with the data as .Data and the tables
// as .Tables by their id. With ?format=csv&table=ID the answer is that table instead.
func (v *visit) render(name, title string, data any, tables ...*table) error {
	if v.query.Get("format") == "csv" {
		return v.csv(tables)
	}
	return v.renderAs(http.StatusOK, name, title, data, tables...)
}

// renderAs is render with a status, and no CSV.
func (v *visit) renderAs(status int, name, title string, data any, tables ...*table) error {
	a := around{Title: title, Nav: v.server.navigation(v), Session: v.session, Notice: notices[v.query.Get("notice")], Data: data, Tables: map[string]*table{}}
	if v.session != nil {
		if a.Project = cookie(v.r, projectCookie); v.session.Project != nil {
			a.Project = *v.session.Project
		}
	}
	for _, t := range tables {
		t.CSV = v.csvPath(t.ID)
		a.Tables[t.ID] = t
	}
	t := v.server.templates[name]
	if t == nil {
		return fault.New(fault.Internal, "no template %s", name)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, a); err != nil {
		return fmt.Errorf("template %s: %w", name, err)
	}
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.w.WriteHeader(status)
	_, _ = v.w.Write(b.Bytes()) // a client that went away is no error
	return nil
}

// static answers GET /static/….
func (s *server) static(v *visit) error {
	name := strings.TrimPrefix(v.r.URL.Path, "/")
	if info, err := fs.Stat(files, name); err != nil || info.IsDir() {
		return fault.New(fault.NotFound, "there is nothing at this address")
	}
	v.w.Header().Set("Cache-Control", "public, max-age=300")
	http.ServeFileFS(v.w, v.r, files, name)
	return nil
}
