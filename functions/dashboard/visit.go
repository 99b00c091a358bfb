package dashboard

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/web"
)

// maxForm bounds a form, in bytes.
const maxForm = 128 << 10

// session is who the visitor is, as GET /v1/sessions/current answers.
type session struct {
	ExpiresAt time.Time `json:"expires_at"`
	Role      string    `json:"role"`
	Project   *string   `json:"project"`
	Email     *string   `json:"email"`
}

// Staff reports whether the visitor is a member of staff.
func (s *session) Staff() bool { return s.Email != nil }

// visit is one request of a browser.
type visit struct {
	server  *server
	w       http.ResponseWriter
	r       *http.Request
	ctx     context.Context
	page    page
	api     *client
	session *session   // nil where nobody is signed in
	query   url.Values // of a GET
	form    url.Values // of a POST
}

// handle is how a page for who is signed in is answered; others are asked to sign in,
// and come back to it.
func (s *server) handle(p page, h handler) http.Handler {
	return s.wrap(p, func(v *visit) error {
		if v.api.secret == "" {
			return &problem{web.Problem{Status: http.StatusUnauthorized}}
		}
		v.session = &session{}
		if err := v.api.get(v.ctx, "/v1/sessions/current", nil, v.session); err != nil {
			v.session = nil
			return err
		}
		if v.session.Staff() && v.api.project == "" && p.path != "/project" && p.path != "/sign-out" {
			return v.redirect("/project")
		}
		if err := v.readForm(max(maxForm, p.form)); err != nil {
			return err
		}
		return h(v)
	})
}

// plain is how what anybody may see is answered.
func (s *server) plain(h handler) http.Handler {
	return s.wrap(page{}, func(v *visit) error {
		if err := v.readForm(maxForm); err != nil {
			return err
		}
		return h(v)
	})
}

// readForm reads the form of a POST: a large one of who is signed in alone, since it
// takes several times as much memory.
func (v *visit) readForm(most int64) error {
	if v.r.Method != http.MethodPost {
		return nil
	}
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, most)
	if err := v.r.ParseForm(); err != nil {
		return fault.Wrap(fault.Invalid, err, "the form can not be read, or is too large")
	}
	v.form = v.r.PostForm
	return nil
}

func (s *server) wrap(p page, h handler) http.Handler {
	return web.HandleWith(func(w http.ResponseWriter, r *http.Request) error {
		v := &visit{server: s, w: w, r: r, ctx: r.Context(), page: p, query: r.URL.Query()}
		v.api = &client{http: s.http, base: strings.TrimSuffix(s.config.APIURL, "/"), secret: cookie(r, sessionCookie), project: cookie(r, projectCookie)}
		if err := h(v); err != nil {
			return v.fail(err)
		}
		return nil
	}, s.lost, web.ReadTimeout)
}

// redirect sends the browser to a path of the dashboard, with GET.
func (v *visit) redirect(to string) error {
	http.Redirect(v.w, v.r, to, http.StatusSeeOther)
	return nil
}

// invalid is a refusal that the visitor can mend in the form that was sent; nil of any
// other error, and of none.
func invalid(err error) *problem {
	p, ok := errors.AsType[*problem](err)
	if !ok {
		return nil
	}
	switch p.Status {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusConflict, http.StatusRequestEntityTooLarge:
		return p
	}
	return nil
}

// local is a path of the dashboard's own that a visitor may be sent to; "/" instead of
// anything else.
func local(path string) string {
	u, err := url.Parse(path)
	if err != nil || u.Scheme != "" || u.Host != "" || !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\\r\n\t") {
		return "/"
	}
	return path
}
