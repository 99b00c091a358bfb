package dashboard

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/web"
)

// failure is what an error page tells.
type failure struct {
	Title, Detail string
	Errors        []fault.Field
	RequestID     string
	Retry         bool
}

// fail answers an error with a page. Who is not signed in, or not any more, is asked to
// sign in. The error is handed back for the log if it is ours.
func (v *visit) fail(err error) error {
	if p, ok := errors.AsType[*problem](err); ok {
		if p.Status == http.StatusUnauthorized && v.page.path != "" {
			v.clear(sessionCookie)
			next := "/"
			if v.r.Method == http.MethodGet {
				next = v.r.URL.RequestURI()
			}
			return v.redirect("/sign-in?next=" + url.QueryEscape(next))
		}
		return v.failure(p.Status, failure{Title: p.Title, Detail: p.Detail, Errors: p.Errors, RequestID: p.RequestID})
	}
	return err
}

// failure writes an error page.
func (v *visit) failure(status int, f failure) error {
	if status == http.StatusForbidden {
		f.Title = "You may not see this"
	}
	f.Retry = (status >= 500 || status == http.StatusTooManyRequests) && v.r.Method != http.MethodPost // which reloading would send again
	return v.renderAs(status, "error", f.Title, f)
}

// lost answers what a page did not: a fault of ours, or an address that does not exist.
// A program that looks for the API gets a problem.
func (s *server) lost(w http.ResponseWriter, r *http.Request, err error) {
	if !strings.Contains(r.Header.Get("Accept"), "text/html") || strings.HasPrefix(r.URL.Path, "/v1/") {
		web.WriteProblem(w, r, err)
		return
	}
	status := web.Status(err)
	detail, fields := web.Describe(err)
	v := &visit{server: s, w: w, r: r, ctx: r.Context()}
	titles := map[int]string{http.StatusNotFound: "There is no such page", http.StatusServiceUnavailable: "Not available just now", http.StatusInternalServerError: "Something went wrong"}
	title := titles[status]
	if title == "" {
		title = http.StatusText(status)
	}
	if err := v.failure(status, failure{Title: title, Detail: detail, Errors: fields, RequestID: web.RequestID(r.Context())}); err != nil {
		web.WriteProblem(w, r, err)
	}
}
