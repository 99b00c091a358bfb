package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/web"
)

// Session is a session in an answer. Its secret is told once, when it is made.
type Session struct {
	Session   string    `json:"session,omitempty"`
	ExpiresAt time.Time `json:"expires_at"`
	Role      string    `json:"role"`    // of the key or the member, now
	Project   *string   `json:"project"` // null: of a member of staff, who names one in each call
	Email     *string   `json:"email"`   // null: of a key
}

func newSession(c *access.Call, s *project.Session, secret string) Session {
	a := Session{Session: secret, ExpiresAt: s.Expires.UTC(), Role: string(c.Role), Project: &c.Project}
	if c.Member != nil {
		a.Role, a.Project, a.Email = string(c.Member.Role), nil, &c.Member.Email
	}
	return a
}

// createSession answers POST /v1/sessions: a session of the caller, which a browser may
// keep in the place of a credential that works for longer.
func (s *server) createSession(ctx context.Context, c *access.Call, w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseQuery(r).Err(); err != nil {
		return err
	}
	if r.ContentLength != 0 {
		if err := readBody(w, r, &struct{}{}); err != nil {
			return err
		}
	}
	if c.Session != nil {
		return fault.New(fault.Forbidden, "a session can not make a session: send an API key or an ID token")
	}
	var (
		secret string
		made   project.Session
		err    error
	)
	if c.Member != nil {
		secret, made, err = project.StaffSession(ctx, s.DB, c.Member.Email)
	} else {
		secret, made, err = project.KeySession(ctx, s.DB, c.KeyHash)
	}
	if err != nil {
		return err
	}
	c.Object(made.ID)
	created(w, "/v1/sessions/current", newSession(c, &made, secret))
	return nil
}

// current is the session that a call is made by.
func current(c *access.Call, r *http.Request) (*project.Session, error) {
	if err := web.ParseQuery(r).Err(); err != nil {
		return nil, err
	}
	if c.Session == nil {
		return nil, fault.New(fault.NotFound, "the call is not made by a session")
	}
	c.Object(c.Session.ID)
	return c.Session, nil
}

// getSession answers GET /v1/sessions/current.
func (s *server) getSession(_ context.Context, c *access.Call, w http.ResponseWriter, r *http.Request) error {
	session, err := current(c, r)
	if err != nil {
		return err
	}
	web.WriteJSON(w, newSession(c, session, ""))
	return nil
}

// endSession answers DELETE /v1/sessions/current.
func (s *server) endSession(ctx context.Context, c *access.Call, w http.ResponseWriter, r *http.Request) error {
	session, err := current(c, r)
	if err != nil {
		return err
	}
	if err := session.End(ctx, s.DB); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
