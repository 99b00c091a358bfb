// Package dashboard is the pages that a browser sees. It owns no data and has no right to
// any: a page is made of what the API's public endpoints answer to the visitor's own
// session, and what the API refuses the page can not show.
//
//	browser ─ GET /explore?… ─▶ page ─ Authorization: Bearer SESSION ─▶ the API (LETHE_API_URL)
//	   ▲                          └─ html/template, SVG drawn here, ?format=csv
//	   └─ __Host-lethe-session: the session, HttpOnly; __Host-lethe-project: what staff look at
//
// Everything works without JavaScript; there is none. A page and its POST actions stand in
// pages (page.go), how a page is answered in visit.go, what every page has around it in
// templates/layout.html.
package dashboard

import (
	"context"
	"embed"
	"net/http"
	"strings"

	"github.com/GoogleCloudPlatform/functions-framework-go/functions"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/web"
)

func init() { functions.HTTP("Dashboard", web.Lazy(open)) }

//go:embed static templates
var files embed.FS

func open(ctx context.Context) (http.Handler, error) {
	var c Config
	if err := gcp.Load(ctx, &c); err != nil {
		return nil, err
	}
	return New(c)
}

type server struct {
	config    Config
	http      *http.Client
	templates templates
}

// New makes the function's handler.
func New(c Config) (http.Handler, error) {
	t, err := parseTemplates()
	if err != nil {
		return nil, err
	}
	s := &server{config: c, templates: t, http: &http.Client{
		Timeout:       c.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	mux := http.NewServeMux()
	for _, p := range s.pages() {
		if p.get != nil {
			mux.Handle("GET "+p.path, s.handle(p, p.get))
		}
		if p.post != nil {
			mux.Handle("POST "+p.path, s.handle(p, p.post))
		}
	}
	for _, p := range s.open() {
		mux.Handle(p.pattern, s.plain(p.get))
	}
	mux.Handle("GET /static/", s.plain(s.static))
	mux.Handle("/", s.plain(func(*visit) error { return fault.New(fault.NotFound, "there is nothing at this address") }))
	return secure(mux, strings.HasPrefix(c.PublicURL, "https:")), nil
}

// secure sets what every answer has, and refuses what another site has a browser send:
// beside SameSite, that is what keeps forms from being forged.
func secure(h http.Handler, https bool) http.Handler {
	guard := http.NewCrossOriginProtection()
	guarded := guard.Handler(h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "same-origin")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Cache-Control", "no-store")
		if https { // for two years; a key is typed into a form
			header.Set("Strict-Transport-Security", "max-age=63072000")
		}
		guarded.ServeHTTP(w, r)
	})
}
