package dashboard

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/project"
)

// Staff sign in with Google by OAuth 2.0's code flow, with PKCE, a state and a nonce:
//
//	GET /sign-in/staff ─▶ Google ─▶ GET /sign-in/staff/done?code ─▶ Google: the ID token
//	                                         └─▶ POST /v1/sessions with it
//
// The API verifies the token; here only its nonce is looked at, which is enough for one
// that came from the issuer itself (OpenID Connect Core 1.0, 3.1.3.7).

// signInTime is how long a sign-in with Google may take.
const signInTime = 10 * time.Minute

// staffOpen reports whether staff may sign in.
func (s *server) staffOpen() bool { return s.config.StaffClient != "" && s.config.StaffSecret != "" }

func (s *server) oauth() *oauth2.Config {
	return &oauth2.Config{
		ClientID: s.config.StaffClient, ClientSecret: s.config.StaffSecret,
		Endpoint:    oauth2.Endpoint{AuthURL: s.config.StaffAuthURL, TokenURL: s.config.StaffTokenURL, AuthStyle: oauth2.AuthStyleInParams},
		RedirectURL: strings.TrimSuffix(s.config.PublicURL, "/") + "/sign-in/staff/done",
		Scopes:      []string{"openid", "email"},
	}
}

// staffSignIn answers GET /sign-in/staff.
func (s *server) staffSignIn(v *visit) error {
	if !s.staffOpen() {
		return fault.New(fault.NotFound, "staff can not sign in here")
	}
	state, nonce, verifier := oauth2.GenerateVerifier(), oauth2.GenerateVerifier(), oauth2.GenerateVerifier()
	v.keep(signInCookie, state+"."+nonce+"."+verifier, time.Now().Add(signInTime))
	return v.redirect(s.oauth().AuthCodeURL(state, oauth2.SetAuthURLParam("nonce", nonce), oauth2.S256ChallengeOption(verifier)))
}

// staffSignedIn answers GET /sign-in/staff/done, where Google sends the browser back to.
func (s *server) staffSignedIn(v *visit) error {
	under := strings.Split(cookie(v.r, signInCookie), ".")
	v.clear(signInCookie)
	again := func(why string) error { return v.signInForm(http.StatusBadRequest, "/", why) }
	if !s.staffOpen() || len(under) != 3 || subtle.ConstantTimeCompare([]byte(under[0]), []byte(v.query.Get("state"))) != 1 {
		return again("The sign-in took too long, or was begun elsewhere. Begin again.")
	}
	if v.query.Get("code") == "" {
		return again("Google did not sign you in.")
	}
	token, err := s.oauth().Exchange(context.WithValue(v.ctx, oauth2.HTTPClient, s.http), v.query.Get("code"), oauth2.VerifierOption(under[2]))
	if refused, ok := errors.AsType[*oauth2.RetrieveError](err); ok && refused.Response != nil && refused.Response.StatusCode < 500 {
		return again("Google did not accept the sign-in. Begin again.")
	}
	if err != nil {
		return fault.Wrap(fault.Unavailable, errors.New("the issuer did not answer"), "Google did not answer; try again")
	}
	id, _ := token.Extra("id_token").(string)
	if id == "" || subtle.ConstantTimeCompare([]byte(nonceOf(id)), []byte(under[1])) != 1 {
		return again("The sign-in does not match the one that was begun here. Begin again.")
	}
	err = v.enter(id)
	if p, ok := errors.AsType[*problem](err); ok && (p.Status == http.StatusForbidden || p.Status == http.StatusUnauthorized) {
		return v.signInForm(p.Status, "/", "You can not sign in: "+p.Detail+".")
	}
	if err != nil {
		return err
	}
	v.clear(projectCookie)
	return v.redirect("/project")
}

// nonceOf is the nonce in an ID token.
func nonceOf(token string) string {
	_, rest, _ := strings.Cut(token, ".")
	payload, _, _ := strings.Cut(rest, ".")
	text, err := base64.RawURLEncoding.DecodeString(payload)
	var claims struct {
		Nonce string `json:"nonce"`
	}
	if err != nil || json.Unmarshal(text, &claims) != nil {
		return ""
	}
	return claims.Nonce
}

// projectData is what the page shows by which staff choose a project.
type projectData struct {
	Project string
	Grants  []grant // live ones of the visitor
	Problem string
}

type grant struct {
	Project   string    `json:"project"`
	Status    string    `json:"status"`
	Email     string    `json:"email"`
	Reason    string    `json:"reason"`
	ExpiresAt time.Time `json:"expires_at"`
}

// projectPage answers GET /project.
func (s *server) projectPage(v *visit) error {
	if !v.session.Staff() {
		return v.redirect("/")
	}
	return v.projectForm(http.StatusOK, "")
}

func (v *visit) projectForm(status int, problem string) error {
	var list struct{ Grants []grant }
	if err := v.api.get(v.ctx, "/v1/grants", nil, &list); err != nil && !forbidden(err) {
		return err
	}
	d := projectData{Project: v.api.project, Problem: problem}
	for _, g := range list.Grants {
		if g.Status == "approved" && g.Email == *v.session.Email {
			d.Grants = append(d.Grants, g)
		}
	}
	return v.renderAs(status, "project", "Choose a project", d)
}

// forbidden reports whether the API refused for want of a right.
func forbidden(err error) bool {
	p, ok := errors.AsType[*problem](err)
	return ok && p.Status == http.StatusForbidden
}

// chooseProject answers POST /project. Whether the member may see it the API says, at
// each call.
func (s *server) chooseProject(v *visit) error {
	id := strings.TrimSpace(v.form.Get("project"))
	if !v.session.Staff() || !project.ValidID(id) {
		return v.projectForm(http.StatusBadRequest, "Enter the id of a project: lower-case letters, digits, - and _.")
	}
	v.keep(projectCookie, id, v.session.ExpiresAt)
	return v.redirect(v.firstWork())
}

// firstWork is the first page in the navigation of staff.
func (v *visit) firstWork() string {
	if nav := v.server.navigation(v); len(nav) > 0 {
		return nav[0].Path
	}
	return "/project"
}
