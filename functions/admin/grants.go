package admin

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/staff"
	"github.com/lethe-analytics/lethe/shared/web"
	"github.com/lethe-analytics/lethe/shared/webhook"
)

// Limits of grants.
const (
	maxReason  = 1000 // characters
	maxTicket  = 100
	maxGrants  = 100 // in a list
	maxWaiting = 20  // pending ones of a member
)

// Grant is a grant in an answer. A customer is told pseudonyms of the members of
// staff, and staff their e-mail addresses too.
type Grant struct {
	ID                   string     `json:"id"`
	Project              string     `json:"project"`
	Status               string     `json:"status"` // pending, approved, ended, expired
	Member               string     `json:"member"` // as in the access log
	Email                string     `json:"email,omitempty"`
	Role                 staff.Role `json:"role"`
	Reason               string     `json:"reason"`
	Ticket               string     `json:"ticket"`
	Purposes             []string   `json:"purposes"`
	Duration             string     `json:"duration"`
	CreatedAt            time.Time  `json:"created_at"`
	ConfidentialityOf    string     `json:"confidentiality_version"` // as of created_at
	ConfidentialitySince time.Time  `json:"confidentiality_at"`
	TrainingAt           time.Time  `json:"training_at"`
	Approver             string     `json:"approver,omitempty"`
	ApproverEmail        string     `json:"approver_email,omitempty"`
	ApproverRole         staff.Role `json:"approver_role,omitempty"`
	ApprovedAt           time.Time  `json:"approved_at,omitzero"`
	ExpiresAt            time.Time  `json:"expires_at,omitzero"`
	EndedAt              time.Time  `json:"ended_at,omitzero"`
	EndedBy              string     `json:"ended_by,omitempty"`
}

func newGrant(g *staff.Grant, toStaff bool) Grant {
	a := Grant{ID: g.ID, Project: g.Project, Status: g.State(time.Now()), Member: g.Actor, Role: g.Role, Reason: g.Reason, Ticket: g.Ticket,
		Purposes: g.Purposes, Duration: g.Duration.String(), CreatedAt: g.Created.UTC(), ConfidentialityOf: g.Confidentiality.Version,
		ConfidentialitySince: g.Confidentiality.At.UTC(), TrainingAt: g.TrainingAt.UTC(), Approver: g.ApproverActor, ApproverRole: g.ApproverRole,
		ApprovedAt: g.ApprovedAt.UTC(), ExpiresAt: g.Expires.UTC(), EndedAt: g.EndedAt.UTC(), EndedBy: g.EndedBy}
	if toStaff {
		a.Email, a.ApproverEmail = g.Member, g.Approver
	}
	return a
}

func newGrants(list []*staff.Grant, toStaff bool) []Grant {
	all := make([]Grant, len(list))
	for i, g := range list {
		all[i] = newGrant(g, toStaff)
	}
	return all
}

// grantBody is the body of POST /v1/grants.
type grantBody struct {
	Project  string   `json:"project"`
	Reason   string   `json:"reason"`
	Ticket   string   `json:"ticket"`
	Duration string   `json:"duration"`
	Purposes []string `json:"purposes"` // absent: all that the role may do
}

func (b *grantBody) read(role staff.Role) (g staff.Grant, err error) {
	may := access.Purposes(role)
	if err := cmp.Or(line("reason", b.Reason, maxReason), line("ticket", b.Ticket, maxTicket)); err != nil {
		return g, err
	}
	d, err := time.ParseDuration(b.Duration)
	if err != nil || d < time.Minute || d > staff.MaxDuration {
		return g, fault.InField("duration", "must be from 1m to 8h")
	}
	for _, p := range b.Purposes {
		if !slices.Contains(may, p) {
			return g, fault.InField("purposes", "must be of those that the role %s has: %s", role, strings.Join(may, ", "))
		}
	}
	g = staff.Grant{Project: b.Project, Reason: b.Reason, Ticket: b.Ticket, Duration: d, Purposes: may}
	if len(b.Purposes) > 0 {
		slices.Sort(b.Purposes)
		g.Purposes = slices.Compact(b.Purposes)
	}
	return g, nil
}

// createGrant answers POST /v1/grants.
func (s *server) createGrant(ctx context.Context, c *access.Call, w http.ResponseWriter, r *http.Request) error {
	var b grantBody
	if err := web.ReadJSON(w, r, maxSmall, &b); err != nil {
		return err
	}
	g, err := b.read(c.Member.Role)
	if err != nil {
		return err
	}
	unknown := fault.InField("project", "there is no such project")
	if !project.ValidID(b.Project) {
		return unknown
	}
	p, err := project.Get(ctx, s.DB, b.Project)
	if fault.Of(err) == fault.NotFound {
		return unknown
	}
	if err != nil {
		return err
	}
	c.On(p)
	if p.ForbidStaff {
		return fault.New(fault.Forbidden, "the customer forbids staff access")
	}
	mine, err := staff.GrantsOf(ctx, s.DB, c.Member.Email, maxGrants)
	if err != nil {
		return err
	}
	waiting := 0
	for _, g := range mine {
		if g.State(time.Now()) == string(staff.Pending) {
			waiting++
		}
	}
	if waiting >= maxWaiting {
		return fault.New(fault.Conflict, "%d of your grants wait to be approved already", waiting)
	}
	g.Actor = c.Actor()
	var told []*webhook.Delivery
	made, err := staff.Ask(ctx, s.DB, g, *c.Member, s.tell(webhook.GrantCreated, &told))
	if err != nil {
		return err
	}
	c.Object(made.ID)
	if err := webhook.Publish(ctx, s.Webhooks, told); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Location", "/v1/grants/"+made.ID)
	w.WriteHeader(http.StatusCreated)
	web.WriteJSON(w, newGrant(made, true))
	return nil
}

// tell has the customer told of a grant.
func (s *server) tell(eventType string, told *[]*webhook.Delivery) staff.Tell {
	return func(tx *firestore.Transaction, g *staff.Grant) (err error) {
		*told, err = webhook.Store(tx, s.DB, webhook.Event{
			ID: strings.ReplaceAll(eventType, ".", "-") + "-" + g.ID, Project: g.Project, Type: eventType, Data: newGrant(g, false)})
		return err
	}
}

// listGrants answers GET /v1/grants: to staff their own and those that they may
// approve, to a customer those for its project.
func (s *server) listGrants(ctx context.Context, c *access.Call, w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseQuery(r).Err(); err != nil {
		return err
	}
	if c.Member == nil {
		list, err := staff.GrantsFor(ctx, s.DB, c.Project, maxGrants)
		if err != nil {
			return err
		}
		web.WriteJSON(w, map[string]any{"grants": newGrants(list, false)})
		return nil
	}
	mine, err := staff.GrantsOf(ctx, s.DB, c.Member.Email, maxGrants)
	if err != nil {
		return err
	}
	var waiting []*staff.Grant
	if mayApprove(c.Member) {
		if waiting, err = staff.PendingGrants(ctx, s.DB, maxGrants); err != nil {
			return err
		}
		waiting = slices.DeleteFunc(waiting, func(g *staff.Grant) bool {
			return g.Member == c.Member.Email || g.State(time.Now()) != string(staff.Pending)
		})
	}
	web.WriteJSON(w, map[string]any{"grants": newGrants(mine, true), "to_approve": newGrants(waiting, true)})
	return nil
}

func mayApprove(m *staff.Member) bool {
	return m.CheckRole(access.Find(http.MethodPost, "/v1/grants/{id}/approve").Staff) == nil
}

// of reads a grant and puts the call into its project's log.
func (s *server) of(ctx context.Context, c *access.Call, id string) (*staff.Grant, error) {
	g, err := staff.GetGrant(ctx, s.DB, id)
	if err != nil {
		return nil, err
	}
	if c.Member == nil && g.Project != c.Project {
		return nil, fault.New(fault.NotFound, "there is no such grant")
	}
	p, err := project.Get(ctx, s.DB, g.Project)
	if err != nil {
		return nil, err
	}
	c.On(p)
	return g, nil
}

// approveGrant answers POST /v1/grants/{id}/approve.
func (s *server) approveGrant(ctx context.Context, c *access.Call, w http.ResponseWriter, r *http.Request) error {
	g, err := s.of(ctx, c, r.PathValue("id"))
	if err != nil {
		return err
	}
	var told []*webhook.Delivery
	if g, err = staff.Approve(ctx, s.DB, g.ID, *c.Member, c.Actor(), s.tell(webhook.GrantApproved, &told)); err != nil {
		return err
	}
	if err := webhook.Publish(ctx, s.Webhooks, told); err != nil {
		return err
	}
	web.WriteJSON(w, newGrant(g, true))
	return nil
}

// revokeGrant answers POST /v1/grants/{id}/revoke, of who asked for it, who may approve
// it, or the customer.
func (s *server) revokeGrant(ctx context.Context, c *access.Call, w http.ResponseWriter, r *http.Request) error {
	g, err := s.of(ctx, c, r.PathValue("id"))
	if err != nil {
		return err
	}
	if c.Member != nil && g.Member != c.Member.Email && !mayApprove(c.Member) {
		return fault.New(fault.Forbidden, "the grant is another's")
	}
	var told []*webhook.Delivery
	if g, err = staff.End(ctx, s.DB, g.ID, c.Actor(), s.tell(webhook.GrantEnded, &told)); err != nil {
		return err
	}
	if err := webhook.Publish(ctx, s.Webhooks, told); err != nil {
		return err
	}
	web.WriteJSON(w, newGrant(g, c.Member != nil))
	return nil
}
