package dashboard

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/lethe-analytics/lethe/shared/fault"
)

// signInData is what the sign-in page shows.
type signInData struct {
	Next    string
	Problem string
	Staff   bool // staff may sign in here
}

func (v *visit) signInForm(status int, next, problem string) error {
	return v.renderAs(status, "signin", "Sign in", signInData{local(next), problem, v.server.staffOpen()})
}

// signInPage answers GET /sign-in.
func (s *server) signInPage(v *visit) error {
	return v.signInForm(http.StatusOK, v.query.Get("next"), "")
}

// signIn answers POST /sign-in: it makes a session of an API key, and forgets the key.
func (s *server) signIn(v *visit) error {
	key := strings.TrimSpace(v.form.Get("key"))
	next := v.form.Get("next")
	if key == "" || len(key) > 256 || strings.ContainsFunc(key, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return v.signInForm(http.StatusBadRequest, next, "Enter an API key. It begins with lethe_ and has no spaces.")
	}
	err := v.enter(key)
	p, ok := errors.AsType[*problem](err)
	switch {
	case ok && p.Status == http.StatusUnauthorized:
		return v.signInForm(http.StatusUnauthorized, next, "That API key is unknown, has expired or has been revoked.")
	case ok && p.Status == http.StatusForbidden && strings.Contains(p.Detail, "address"):
		return v.signInForm(http.StatusForbidden, next, "That API key is bound to network addresses, and the dashboard calls from its own. Sign in with a key that is not.")
	case ok && p.Status == http.StatusForbidden:
		return v.signInForm(http.StatusForbidden, next, "You can not sign in: "+p.Detail+".")
	case err != nil:
		return err
	}
	v.clear(projectCookie)
	return v.redirect(local(next))
}

// enter makes a session of a credential and keeps it in the browser.
func (v *visit) enter(credential string) error {
	api := *v.api
	api.secret, api.project = credential, ""
	var made struct {
		Session   string    `json:"session"`
		ExpiresAt time.Time `json:"expires_at"`
	}
	if err := api.send(v.ctx, http.MethodPost, "/v1/sessions", nil, &made); err != nil {
		return err
	}
	if made.Session == "" {
		return fault.New(fault.Internal, "the API made no session")
	}
	v.keep(sessionCookie, made.Session, made.ExpiresAt)
	return nil
}

// signOut answers POST /sign-out. A session that the API does not know any more has
// ended as well.
func (s *server) signOut(v *visit) error {
	err := v.api.send(v.ctx, http.MethodDelete, "/v1/sessions/current", nil, nil)
	if _, refused := errors.AsType[*problem](err); err != nil && !refused {
		return err
	}
	v.clear(sessionCookie)
	v.clear(projectCookie)
	return v.redirect("/sign-in")
}
