package dashboard

import (
	"bytes"
	"cmp"
	"fmt"
	"html/template"
	"net/url"
	"slices"
	"strings"
	plain "text/template"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/parser"

	"github.com/lethe-analytics/lethe/shared/fault"
)

// guide is one page of instructions; what it says stands in templates/guides/NAME.md.
type guide struct{ Name, Title, Summary string }

// Path is where it is shown.
func (g guide) Path() string { return "/guides/" + g.Name }

// guides is the list of them, in the order in which a newcomer needs them.
var guides = []guide{
	{"events", "Send events with curl", "A first event, and the report that counts it."},
	{"browser", "Use the browser SDK", "Events from a website, with consent built in."},
	{"mixpanel", "Use Mixpanel’s SDKs", "JavaScript, Node, Python, iOS and Android: set the host."},
	{"identity", "Prove who a user is", "So that nobody else can speak for her: Node, Go and Python."},
	{"access", "Give a person her data", "An archive of what is stored of somebody (GDPR Art. 15 and 20)."},
	{"delete", "Delete a person", "Erase what is stored of somebody (Art. 17), or one property of it."},
	{"receipt", "Verify a receipt", "Check, with no trust in Lethe, what a deletion says it did."},
	{"access-log", "Verify the access log", "Check that no entry was altered, removed or put in."},
	{"move", "Move from Mixpanel", "Bring the events of the past along, and turn SDKs over."},
}

// converter makes HTML of Markdown; of HTML in it, nothing.
var converter = goldmark.New(goldmark.WithParserOptions(parser.WithAutoHeadingID()))

// markdown converts a text of ours. A block of code can be scrolled with the keyboard.
func markdown(source string) template.HTML {
	var b bytes.Buffer
	if err := converter.Convert([]byte(source), &b); err != nil { // writing to a buffer does not fail
		return template.HTML(template.HTMLEscapeString(source))
	}
	return template.HTML(strings.ReplaceAll(b.String(), "<pre>", `<pre tabindex="0">`))
}

// place is Lethe's address as snippets have it.
type place struct {
	URL    string // https://lethe.example.com
	Host   string // lethe.example.com
	Port   string // empty: that of the scheme
	Secure bool   // https
}

// guidesPage answers GET /guides.
func (s *server) guidesPage(v *visit) error {
	v.public()
	return v.render("guides", "Guides", guides)
}

// guidePage answers GET /guides/{name}.
func (s *server) guidePage(v *visit) error {
	at := slices.IndexFunc(guides, func(g guide) bool { return g.Name == v.r.PathValue("name") })
	if at < 0 {
		return fault.New(fault.NotFound, "there is no such guide")
	}
	t, err := plain.ParseFS(files, "templates/guides/"+guides[at].Name+".md")
	if err != nil {
		return fmt.Errorf("read a guide: %w", err)
	}
	u, err := url.Parse(s.publicURL())
	if err != nil {
		return err
	}
	var b strings.Builder
	if err := t.Execute(&b, place{URL: s.publicURL(), Host: u.Hostname(), Port: u.Port(), Secure: cmp.Or(u.Scheme, "https") == "https"}); err != nil {
		return fmt.Errorf("guide %s: %w", guides[at].Name, err)
	}
	data := struct {
		Text template.HTML
		Next *guide
	}{Text: markdown(b.String())}
	if at+1 < len(guides) {
		data.Next = &guides[at+1]
	}
	v.public()
	return v.render("guides_page", guides[at].Title, data)
}
