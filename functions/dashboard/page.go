package dashboard

import (
	"strings"

	"github.com/lethe-analytics/lethe/shared/project"
)

// handler answers a page. It ends with v.render, v.redirect or an error, which becomes an
// error page; what the API refuses can be returned as it came.
type handler func(v *visit) error

// page is one page for who is signed in.
type page struct {
	path string       // a ServeMux pattern without method; not one that the API has
	nav  string       // its name in the navigation; empty: not there
	role project.Role // that a key needs for it to be shown in the navigation; the API decides
	work bool         // staff have it in their navigation
	get  handler
	post handler
	form int64 // bound of a form, in bytes, where maxForm is too little
}

// pages is the one list of them, in the order of the navigation.
func (s *server) pages() []page {
	return append([]page{
		{path: "/{$}", nav: "Overview", role: project.Reader, get: s.overview},
		{path: "/explore", nav: "Explore", role: project.Reader, get: s.explore},
		{path: "/funnel", nav: "Funnel", role: project.Reader, get: s.funnelPage},
		{path: "/retention", nav: "Retention", role: project.Reader, get: s.retentionPage},
		{path: "/person", nav: "Person", role: project.Reader, work: true, get: s.personPage, post: s.personAction},
		{path: "/data-requests", nav: "Requests", role: project.Privacy, work: true, get: s.requestsPage},
		{path: "/data-requests/new", get: s.newRequestPage, post: s.newRequestAction, form: maxPersonsForm},
		{path: "/data-requests/{kind}/{id}", get: s.requestPage, post: s.requestAction},
		{path: "/data-requests/exports/{id}/download", get: s.download},
		{path: "/data-requests/deletions/{id}/receipt", get: s.receiptPage},
		{path: "/data-requests/deletions/{id}/receipt.jws", get: s.receiptFile},
		{path: "/access-log", nav: "Access log", role: project.Admin, work: true, get: s.accessLogPage, post: s.accessLogFilter},
		{path: "/access-log/file", get: s.accessLogFile},
		{path: "/settings", nav: "Settings", role: project.Admin, get: s.settingsPage},
		{path: "/project", get: s.projectPage, post: s.chooseProject},
		{path: "/sign-out", post: s.signOut},
	}, s.settingsPages()...)
}

// open lists what anybody may see.
func (s *server) open() []struct {
	pattern string
	get     handler
} {
	return []struct {
		pattern string
		get     handler
	}{
		{"GET /sign-in", s.signInPage},
		{"POST /sign-in", s.signIn},
		{"GET /sign-in/staff", s.staffSignIn},
		{"GET /sign-in/staff/done", s.staffSignedIn},
		{"GET /openapi.yaml", s.description},
		{"GET /reference", s.referencePage},
		{"GET /reference/{tag}", s.referenceTag},
		{"GET /guides", s.guidesPage},
		{"GET /guides/{name}", s.guidePage},
	}
}

// link is one entry of the navigation.
type link struct {
	Name, Path string
	Here       bool
}

// navigation lists the pages that a visitor has a use for.
func (s *server) navigation(v *visit) (list []link) {
	if v.session == nil {
		return nil
	}
	for _, p := range s.pages() {
		path := p.path
		if path == "/{$}" {
			path = "/"
		}
		shown := project.Role(v.session.Role).Includes(p.role)
		if v.session.Staff() {
			shown = p.work
		}
		if p.nav != "" && shown {
			list = append(list, link{Name: p.nav, Path: path, Here: v.page.path == p.path || strings.HasPrefix(v.page.path, p.path+"/")})
		}
	}
	return list
}
