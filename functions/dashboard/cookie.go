package dashboard

import (
	"net/http"
	"time"
)

// The cookies. "__Host-" binds them to this host and to https; browsers take
// http://localhost for as safe, so the local system needs no other names.
const (
	sessionCookie = "__Host-lethe-session" // the session's secret
	projectCookie = "__Host-lethe-project" // that a member of staff looks at
	signInCookie  = "__Host-lethe-sign-in" // of a sign-in with Google that is under way
)

// cookie is the value of a cookie; empty if there is none.
func cookie(r *http.Request, name string) string {
	c, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return c.Value
}

// keep sets a cookie until a time. SameSite is Lax, not Strict, so that a shared link to
// a report opens for who is signed in; what changes anything is POST, which Lax keeps out.
func (v *visit) keep(name, value string, until time.Time) {
	http.SetCookie(v.w, &http.Cookie{Name: name, Value: value, Path: "/", Expires: until, MaxAge: int(time.Until(until).Seconds()),
		Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

func (v *visit) clear(name string) {
	http.SetCookie(v.w, &http.Cookie{Name: name, Path: "/", MaxAge: -1, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}
