package dashboard

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

const staffURL = "/settings/staff"

// staffGrant is a grant: leave for a member of staff to see the project's data.
type staffGrant struct {
	ID         string    `json:"id"`
	Status     string    `json:"status"`
	Member     string    `json:"member"`
	Role       string    `json:"role"`
	Reason     string    `json:"reason"`
	Ticket     string    `json:"ticket"`
	Purposes   []string  `json:"purposes"`
	Duration   string    `json:"duration"`
	CreatedAt  time.Time `json:"created_at"`
	Approver   string    `json:"approver"`
	ApprovedAt time.Time `json:"approved_at"`
	ExpiresAt  time.Time `json:"expires_at"`
	EndedAt    time.Time `json:"ended_at"`
	EndedBy    string    `json:"ended_by"`
}

func (v *visit) grants() ([]staffGrant, error) {
	var a struct{ Grants []staffGrant }
	err := v.api.get(v.ctx, "/v1/grants", nil, &a)
	return a.Grants, err
}

func staffAccessPage(v *visit) error { return shower(showStaffAccess).got(v) }

func showStaffAccess(v *visit, status int, refused *form, first ...section) error {
	var now struct{ Allowed bool }
	if err := v.api.get(v.ctx, "/v1/project/staff-access", nil, &now); err != nil {
		return err
	}
	grants, err := v.grants()
	if err != nil {
		return err
	}
	page := v.settings("Staff access")
	s := section{Text: []string{"Staff are people of the company that runs Lethe. They see this project's data only under a grant: with a reason, for at most 8 hours, approved by somebody else. All that they do under it stands in the access log."}}
	if now.Allowed {
		s.Facts = []fact{{"Staff", "may be let in by a grant"}}
		s.Forms = []*form{{Do: "forbid", Action: staffURL, Button: "Keep all staff out", Text: []string{"From the next request on, live grants included. Support can then not help with this project's data."}}}
	} else {
		s.Facts = []fact{{"Staff", "are kept out, whatever they are granted"}}
		s.Forms = []*form{{Do: "allow", Action: staffURL, Button: "Allow grants", Text: []string{"Grants that are live, and new ones, then count."}}}
	}
	t := &table{ID: "grants", Caption: "Grants, the newest first", Columns: []string{"Asked for", "State", "Reason", "Ticket", "Role", "Member", "Until"}}
	for _, g := range grants {
		t.Rows = append(t.Rows, []any{anchor{g.CreatedAt.UTC().Format("2006-01-02 15:04 UTC"), staffURL + "/" + g.ID}, word(g.Status), g.Reason, text(g.Ticket), g.Role, short(g.Member), at(g.ExpiresAt)})
	}
	page.add(s, section{Heading: "Grants", Text: []string{"Choose a grant to see all of it, and to end it."}, Table: t, Empty: "Nobody of the staff has asked for access."})
	return v.end(status, page, refused, first)
}

// staffAccessAction answers POST /settings/staff.
func staffAccessAction(v *visit) error {
	do := v.form.Get("do")
	if do != "allow" && do != "forbid" {
		return unknownForm()
	}
	err := v.api.send(v.ctx, http.MethodPut, "/v1/project/staff-access", map[string]bool{"allowed": do == "allow"}, nil)
	return v.saved(showStaffAccess, &form{Do: do}, err, staffURL+"?notice=saved")
}

func (v *visit) grant() (*staffGrant, error) {
	grants, err := v.grants()
	if err != nil {
		return nil, err
	}
	return pick(v, grants, func(g *staffGrant) string { return g.ID })
}

func grantPage(v *visit) error { return shower(showGrant).got(v) }

func showGrant(v *visit, status int, refused *form, first ...section) error {
	g, err := v.grant()
	if err != nil {
		return err
	}
	page := v.settings("Grant")
	page.Back = &anchor{"Staff access", staffURL}
	s := section{Facts: []fact{{"State", word(g.Status)}, {"Reason", g.Reason}, {"Ticket", text(g.Ticket)}, {"Member, as in the access log", g.Member}, {"Role", g.Role}, {"May", strings.Join(g.Purposes, ", ")},
		{"Asked for", at(g.CreatedAt)}, {"For", text(g.Duration)}, {"Approved", at(g.ApprovedAt)}, {"By", text(g.Approver)}, {"Until", at(g.ExpiresAt)}, {"Ended", at(g.EndedAt)}},
		Links: []anchor{{"What this member did, in the access log", "/access-log?" + url.Values{"actor": {g.Member}}.Encode()}}}
	if g.Status == "pending" || g.Status == "approved" {
		s.Forms = []*form{g.form()}
	}
	page.add(s)
	return v.end(status, page, refused, first)
}

func (g *staffGrant) form() *form {
	return &form{Do: "end", Action: staffURL + "/" + url.PathEscape(g.ID), Button: "End this grant", Danger: true, Text: []string{"The member is refused from the next request on."}}
}

// grantAction answers POST /settings/staff/{id}.
func grantAction(v *visit) error {
	g, err := v.grant()
	if err != nil {
		return err
	}
	if v.form.Get("do") != "end" {
		return unknownForm()
	}
	err = v.api.send(v.ctx, http.MethodPost, "/v1/grants/"+url.PathEscape(g.ID)+"/revoke", nil, nil)
	return v.saved(showGrant, g.form(), err, staffURL+"/"+url.PathEscape(g.ID)+"?notice=ended")
}
