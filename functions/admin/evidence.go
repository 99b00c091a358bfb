package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/receipt"
	"github.com/lethe-analytics/lethe/shared/retention"
	"github.com/lethe-analytics/lethe/shared/staff"
	"github.com/lethe-analytics/lethe/shared/web"
)

// maxEvidence bounds each list of a bundle; the newest are kept.
const maxEvidence = 1000

// Evidence is what an auditor gets of a project, in one signed bundle. It holds no
// person's data: persons are only counted.
type Evidence struct {
	Issuer      string    `json:"iss"` // base URL of the system
	IssuedAt    int64     `json:"iat"` // seconds since 1970
	Project     string    `json:"project"`
	Name        string    `json:"name"`
	CreatedAt   time.Time `json:"created_at"`
	GeneratedAt time.Time `json:"generated_at"`
	// Cut names the lists that are longer than maxEvidence; the newest are here.
	Cut []string `json:"cut"`

	Agreements     Agreements        `json:"agreements"`
	Settings       []EvidenceVersion `json:"settings_history"`
	Keys           []EvidenceKey     `json:"keys"`
	StaffForbidden bool              `json:"staff_forbidden"`
	Staff          Attestations      `json:"staff"`
	Grants         []Grant           `json:"grants"`
	Requests       []EvidenceRequest `json:"requests"`
	Statistics     []Statistics      `json:"request_statistics"` // of the requests above
	RetentionDays  int               `json:"retention_days"`     // in force; -1: unlimited
	RetentionRules []retention.Rule  `json:"retention_rules"`
	// RetentionHistory has each change of the two above.
	RetentionHistory []EvidenceRetention `json:"retention_history"`
	Retention        []EvidenceRun       `json:"retention_runs"`
	AccessLog        *Checkpoint         `json:"access_log"` // null: nothing has been sealed yet
}

// Agreements are the data processing agreement's versions, and those accepted.
type Agreements struct {
	Versions []project.DPA       `json:"versions"`
	Accepted []EvidenceSignature `json:"accepted"`
	InForce  bool                `json:"in_force"` // the accepted one is the one in effect
}

// EvidenceSignature is a project's acceptance of a version.
type EvidenceSignature struct {
	Version    string    `json:"version"`
	TextSHA256 string    `json:"text_sha256"`
	Name       string    `json:"name"`
	Role       string    `json:"role"`
	By         string    `json:"by"`
	At         time.Time `json:"at"`
}

// EvidenceVersion is what the settings were from a time on.
type EvidenceVersion struct {
	Number   int              `json:"version"`
	Settings project.Settings `json:"settings"`
	By       string           `json:"by,omitempty"`
	At       time.Time        `json:"at"`
}

// EvidenceKey is an API key, without its secret or the hash of it.
type EvidenceKey struct {
	ID        string       `json:"id"`
	Role      project.Role `json:"role"`
	CreatedAt time.Time    `json:"created_at"`
	RotatedAt time.Time    `json:"rotated_at,omitzero"`
	ExpiresAt time.Time    `json:"expires_at,omitzero"`
}

// Attestations count the processor's staff, by what is on record of them now. What was
// on record of a member who had access stands in the grant.
type Attestations struct {
	Members      int                `json:"members"` // who are not disabled
	Roles        map[staff.Role]int `json:"roles"`
	Confidential int                `json:"confidentiality_signed"`
	Trained      int                `json:"trained_within_365_days"`
}

// evidence answers GET /v1/evidence: a JWS, or what it signs.
func (s *server) evidence(ctx context.Context, c *access.Call, w http.ResponseWriter, r *http.Request) error {
	q := web.ParseQuery(r)
	format := q.Choice("format", "jws", asJSON)
	if err := q.Err(); err != nil {
		return err
	}
	e, err := s.gather(ctx, c)
	if err != nil {
		return err
	}
	c.Count(len(e.Requests))
	if format == asJSON {
		web.WriteJSON(w, e)
		return nil
	}
	jws, err := s.Signer.Sign(receipt.EvidenceType, e)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/jose")
	w.Header().Set("Cache-Control", "no-store")
	_, err = w.Write([]byte(jws))
	return err
}

// gather collects the bundle.
func (s *server) gather(ctx context.Context, c *access.Call) (*Evidence, error) {
	p, err := project.Get(ctx, s.DB, c.Project)
	if err != nil {
		return nil, err
	}
	now := time.Now().UTC()
	e := &Evidence{Issuer: s.publicURL, IssuedAt: now.Unix(), Project: p.ID, Name: p.Name, CreatedAt: p.Created.UTC(), GeneratedAt: now,
		Cut: []string{}, StaffForbidden: p.ForbidStaff}
	for _, part := range []func(context.Context, *Evidence, *project.Project) error{
		s.agreements, s.history, s.keysOf, s.attestations, s.grantsOf, s.requestsOf, s.retentionOf, s.runsOf,
	} {
		if err := part(ctx, e, &p); err != nil {
			return nil, err
		}
	}
	if e.AccessLog, err = s.newest(ctx, c); err != nil && fault.Of(err) != fault.NotFound {
		return nil, err
	}
	return e, nil
}

// cut bounds a list and notes that it did.
func cut[T any](e *Evidence, name string, list []T) []T {
	if len(list) > maxEvidence {
		e.Cut = append(e.Cut, name)
		list = list[:maxEvidence]
	}
	return append([]T{}, list...)
}

func (s *server) agreements(ctx context.Context, e *Evidence, p *project.Project) error {
	all, err := project.DPAs(ctx, s.DB)
	if err != nil {
		return err
	}
	signed, err := project.Signatures(ctx, s.DB, p.ID)
	if err != nil {
		return err
	}
	e.Agreements.InForce = p.DPA.Holds(all, e.GeneratedAt)
	e.Agreements.Versions = cut(e, "agreements.versions", all)
	list := make([]EvidenceSignature, len(signed))
	for i, a := range signed {
		list[i] = EvidenceSignature{a.Version, a.TextSHA256, a.Name, a.Role, a.By, a.At.UTC()}
	}
	e.Agreements.Accepted = cut(e, "agreements.accepted", list)
	return nil
}

func (s *server) history(ctx context.Context, e *Evidence, p *project.Project) error {
	versions, _, err := project.Versions(ctx, s.DB, p.ID, 0, maxEvidence+1)
	if err != nil {
		return err
	}
	list := make([]EvidenceVersion, len(versions))
	for i, v := range versions {
		list[i] = EvidenceVersion{v.Number, v.Settings.Whole(), v.By, v.At.UTC()}
	}
	e.Settings = cut(e, "settings_history", list)
	return nil
}

func (s *server) keysOf(ctx context.Context, e *Evidence, p *project.Project) error {
	keys, err := project.ListKeys(ctx, s.DB, p.ID)
	if err != nil {
		return err
	}
	list := make([]EvidenceKey, len(keys))
	for i, k := range keys {
		list[i] = EvidenceKey{ID: k.ID, Role: k.Role, CreatedAt: k.Created.UTC(), RotatedAt: k.Rotated.UTC(), ExpiresAt: k.Expires.UTC()}
	}
	e.Keys = cut(e, "keys", list)
	return nil
}

func (s *server) attestations(ctx context.Context, e *Evidence, _ *project.Project) error {
	e.Staff.Roles = map[staff.Role]int{}
	n := 0
	err := s.members(ctx, func(m *staff.Member) {
		n++
		if m.Disabled {
			return
		}
		e.Staff.Members++
		e.Staff.Roles[m.Role]++
		if m.Confidential() {
			e.Staff.Confidential++
		}
		if m.Trained(e.GeneratedAt) {
			e.Staff.Trained++
		}
	})
	if n == maxStaff {
		e.Cut = append(e.Cut, "staff")
	}
	return err
}

func (s *server) grantsOf(ctx context.Context, e *Evidence, p *project.Project) error {
	grants, err := staff.GrantsFor(ctx, s.DB, p.ID, maxEvidence+1)
	if err != nil {
		return err
	}
	e.Grants = cut(e, "grants", newGrants(grants, false))
	return nil
}
