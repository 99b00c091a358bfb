package access

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/security"
	"github.com/lethe-analytics/lethe/shared/staff"
)

// ProjectHeader names the project that staff ask about; a key has its own.
const ProjectHeader = "Lethe-Project"

// identifyStaff lets a member of staff in who has all that is needed, and else says the
// one thing that is missing: role, confidentiality, training, grant, or the customer's
// leave. What was refused is in the log of the project that was named, too.
func (g *Guard) identifyStaff(ctx context.Context, c *Call, e Endpoint, r *http.Request) error {
	m, err := g.member(ctx, c, r)
	if err != nil {
		return err
	}
	c.Member, c.entry.ActorKind, c.entry.Role = &m, ByStaff, project.Role(m.Role)
	if e.Auth == AuthStaff {
		if m.Root && strings.HasPrefix(e.Action, "staff.") {
			return m.CheckRole(e.Staff) // nobody else could put the first on record
		}
		return m.Check(e.Staff)
	}
	p, err := g.named(ctx, r)
	if err != nil {
		return err
	}
	if p.ID != "" {
		c.On(p)
	}
	if err := m.Check(e.Staff); err != nil {
		return err
	}
	grant, err := g.grant(ctx, e, &m, p)
	if err != nil {
		return err
	}
	c.entry.Grant = grant.ID
	if p.ForbidStaff {
		return fault.New(fault.Forbidden, "the customer forbids staff access")
	}
	c.Project, c.Role, c.KeyHash = p.ID, e.Role, c.entry.Actor
	return nil
}

// member finds who calls, by a session or by an ID token.
func (g *Guard) member(ctx context.Context, c *Call, r *http.Request) (staff.Member, error) {
	if c.Session != nil {
		return g.staff.Member(ctx, g.db, c.Session.Email)
	}
	return g.staff.Identify(ctx, g.db, r)
}

// named reads the project that the header names; an empty one if there is none. That
// it does not exist is told by the missing grant.
func (g *Guard) named(ctx context.Context, r *http.Request) (project.Project, error) {
	id := r.Header.Get(ProjectHeader)
	if !project.ValidID(id) {
		return project.Project{}, nil
	}
	p, err := project.Get(ctx, g.db, id)
	if fault.Of(err) == fault.NotFound {
		return project.Project{}, nil
	}
	return p, err
}

// grant finds the member's live grant for the project that covers the endpoint.
func (g *Guard) grant(ctx context.Context, e Endpoint, m *staff.Member, p project.Project) (*staff.Grant, error) {
	if p.ID == "" {
		return nil, fault.New(fault.Forbidden, "there is no live grant for the project; name one in the header %s", ProjectHeader)
	}
	live, err := staff.Live(ctx, g.db, p.ID, m.Email)
	if err != nil {
		return nil, err
	}
	if len(live) == 0 {
		return nil, fault.New(fault.Forbidden, "there is no live grant for the project")
	}
	i := slices.IndexFunc(live, func(l *staff.Grant) bool { return l.Covers(e.Action) })
	if i < 0 {
		security.Event(ctx, security.GrantExceeded, slog.String("project", p.ID), slog.String("grant", live[0].ID),
			slog.String("member", staff.Pseudonym(p.Secret, m.Email)), slog.String("action", e.Action))
		return nil, fault.New(fault.Forbidden, "the grant is for %s; this is %s", strings.Join(live[0].Purposes, ", "), e.Action)
	}
	return live[i], nil
}

// On notes the project that a call of a member of staff is about, in whose log it is
// from now on.
func (c *Call) On(p project.Project) {
	c.entry.Project = p.ID
	if c.Member != nil {
		c.entry.Actor = staff.Pseudonym(p.Secret, c.Member.Email)
	}
}

// Actor is the caller as the project's log names it.
func (c *Call) Actor() string { return c.entry.Actor }

// Purposes lists what a role of the staff may do under a grant: what is before the dot
// of the actions.
func Purposes(role staff.Role) (list []string) {
	for _, e := range Endpoints {
		p := staff.Purpose(e.Action)
		if e.Auth == AuthKey && p != "" && slices.Contains(e.Staff, role) && !slices.Contains(list, p) {
			list = append(list, p)
		}
	}
	return list
}
