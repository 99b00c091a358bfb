package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"cloud.google.com/go/firestore"
	"google.golang.org/api/iterator"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/staff"
	"github.com/lethe-analytics/lethe/shared/web"
)

// Limits of what staff send.
const (
	maxVersion = 64   // characters of an agreement's version
	maxStaff   = 1000 // members in a list
)

// Confidentiality is the agreement that a member of staff has signed.
type Confidentiality struct {
	Version string    `json:"version"`
	At      time.Time `json:"at"`
}

// MemberBody is the body of PUT /v1/staff/{email}: all that is on record of a member.
type MemberBody struct {
	Role            staff.Role       `json:"role"`
	Confidentiality *Confidentiality `json:"confidentiality"`
	TrainingAt      *time.Time       `json:"training_at"`
	Disabled        bool             `json:"disabled"`
}

// Member is a member of staff in an answer, which staff alone get.
type Member struct {
	Email string `json:"email"`
	MemberBody
	ChangedAt time.Time `json:"changed_at,omitzero"`
	ChangedBy string    `json:"changed_by,omitempty"`
}

func newMember(m *staff.Member) Member {
	a := Member{Email: m.Email, MemberBody: MemberBody{Role: m.Role, Disabled: m.Disabled}, ChangedAt: m.ChangedAt.UTC(), ChangedBy: m.ChangedBy}
	if m.Confidentiality.Version != "" {
		a.Confidentiality = &Confidentiality{m.Confidentiality.Version, m.Confidentiality.At.UTC()}
	}
	if at := m.TrainingAt.UTC(); !at.IsZero() {
		a.TrainingAt = &at
	}
	return a
}

// read checks a body.
func (b *MemberBody) read() (m staff.Member, err error) {
	soon := time.Now().Add(time.Minute)
	switch {
	case !slices.Contains(staff.Roles, b.Role):
		return m, fault.InField("role", "must be one of support, privacy-officer, security, engineer")
	case b.TrainingAt != nil && (b.TrainingAt.Before(web.MinDate) || b.TrainingAt.After(soon)):
		return m, fault.InField("training_at", "must be a time in the past")
	}
	m = staff.Member{Role: b.Role, Disabled: b.Disabled}
	if c := b.Confidentiality; c != nil {
		if err := line("confidentiality.version", c.Version, maxVersion); err != nil {
			return m, err
		}
		if c.At.Before(web.MinDate) || c.At.After(soon) {
			return m, fault.InField("confidentiality.at", "must be a time in the past")
		}
		m.Confidentiality = staff.Confidentiality{Version: c.Version, At: c.At.UTC()}
	}
	if b.TrainingAt != nil {
		m.TrainingAt = b.TrainingAt.UTC()
	}
	return m, nil
}

// line checks a required text of one line.
func line(field, text string, most int) error {
	switch {
	case strings.TrimSpace(text) == "":
		return fault.InField(field, "is required")
	case utf8.RuneCountInString(text) > most:
		return fault.InField(field, "is longer than %d characters", most)
	case strings.ContainsFunc(text, unicode.IsControl):
		return fault.InField(field, "must not hold control characters")
	}
	return nil
}

// putStaff answers PUT /v1/staff/{email}. What was on record stays in the member's
// history.
func (s *server) putStaff(ctx context.Context, c *access.Call, w http.ResponseWriter, r *http.Request) error {
	email := strings.ToLower(r.PathValue("email"))
	if !staff.ValidEmail(email) {
		return fault.InField("email", "is not an e-mail address")
	}
	var b MemberBody
	if err := web.ReadJSON(w, r, maxSmall, &b); err != nil {
		return err
	}
	m, err := b.read()
	if err != nil {
		return err
	}
	if email == c.Member.Email && !c.Member.Root {
		return fault.New(fault.Forbidden, "nobody changes what is on record of themselves")
	}
	m.Email, m.ChangedAt, m.ChangedBy = email, time.Now().UTC().Truncate(time.Microsecond), c.Member.Email
	ref := staff.Ref(s.DB, email)
	err = s.DB.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		return errors.Join(tx.Set(ref, m), tx.Create(ref.Collection("history").NewDoc(), m))
	})
	if err != nil {
		return fmt.Errorf("store member of staff: %w", err)
	}
	web.WriteJSON(w, newMember(&m))
	return nil
}

// listStaff answers GET /v1/staff.
func (s *server) listStaff(ctx context.Context, _ *access.Call, w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseQuery(r).Err(); err != nil {
		return err
	}
	answer := struct {
		Staff []Member `json:"staff"`
	}{[]Member{}}
	err := s.members(ctx, func(m *staff.Member) { answer.Staff = append(answer.Staff, newMember(m)) })
	if err != nil {
		return err
	}
	web.WriteJSON(w, answer)
	return nil
}

// members reads the members of staff.
func (s *server) members(ctx context.Context, each func(*staff.Member)) error {
	docs := s.DB.Collection("staff").Limit(maxStaff).Documents(ctx)
	defer docs.Stop()
	for {
		snap, err := docs.Next()
		if errors.Is(err, iterator.Done) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("list staff: %w", err)
		}
		m, err := staff.Decode(snap)
		if err != nil {
			return err
		}
		each(&m)
	}
}

// staffAccess is whether a customer lets staff in under a grant.
type staffAccess struct {
	Allowed *bool `json:"allowed"`
}

// getStaffAccess answers GET /v1/project/staff-access.
func (s *server) getStaffAccess(ctx context.Context, c *access.Call, w http.ResponseWriter, _ *http.Request) error {
	p, err := project.Get(ctx, s.DB, c.Project)
	if err != nil {
		return err
	}
	allowed := !p.ForbidStaff
	web.WriteJSON(w, staffAccess{&allowed})
	return nil
}

// putStaffAccess answers PUT /v1/project/staff-access. It holds from the next request
// of staff on.
func (s *server) putStaffAccess(ctx context.Context, c *access.Call, w http.ResponseWriter, r *http.Request) error {
	var b staffAccess
	if err := web.ReadJSON(w, r, maxSmall, &b); err != nil {
		return err
	}
	if b.Allowed == nil {
		return fault.InField("allowed", "is required")
	}
	if _, err := s.DB.Doc("projects/"+c.Project).Update(ctx, []firestore.Update{{Path: "forbid_staff", Value: !*b.Allowed}}); err != nil {
		return fmt.Errorf("store staff access: %w", err)
	}
	web.WriteJSON(w, b)
	return nil
}
