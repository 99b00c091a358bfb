package admin

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/retention"
	"github.com/lethe-analytics/lethe/shared/web"
)

// maxSettings bounds settings, in bytes; versionsPage is how many versions are on a
// page.
const (
	maxSettings  = 256 << 10
	versionsPage = 50
	byLength     = 12 // how much of a key's hash an answer tells
)

// Project is the answer of /v1/project.
type Project struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"created_at"`
	Settings  Version   `json:"settings"`
	Secrets   []Secret  `json:"identity_secrets"` // that work, the newest first
	Retention Retention `json:"retention"`
	DPA       DPAState  `json:"dpa"`
}

// Retention is how long events are kept; to be changed by /v1/retention.
type Retention struct {
	Days  *int             `json:"retention_days"` // null: unlimited
	Rules []retention.Rule `json:"rules"`
	See   string           `json:"see"`
}

// DPAState says whether the project's events are taken.
type DPAState struct {
	Current  string `json:"current,omitempty"`  // the version in effect
	Accepted string `json:"accepted,omitempty"` // the version that the project has accepted
	InForce  bool   `json:"in_force"`           // false: events are refused
	// Until is when what is accepted is no longer enough, if a later version is known.
	Until time.Time `json:"until,omitzero"`
}

// Version is a version of the settings. By whom and when is absent where the answer is
// about the present.
type Version struct {
	Number int `json:"version"`
	project.Settings
	By string    `json:"by,omitempty"`
	At time.Time `json:"at,omitzero"`
}

// Versions is a page of the history of the settings: the newest first.
type Versions struct {
	Versions   []Version `json:"versions"`
	NextCursor string    `json:"next_cursor,omitempty"`
}

// getProject answers GET /v1/project.
func (s *server) getProject(ctx context.Context, c *access.Call, w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseQuery(r).Err(); err != nil {
		return err
	}
	return s.answerProject(ctx, c, w)
}

func (s *server) answerProject(ctx context.Context, c *access.Call, w http.ResponseWriter) error {
	p, err := project.Get(ctx, s.DB, c.Project)
	if err != nil {
		return err
	}
	now := time.Now()
	kept, err := retention.Read(ctx, s.DB, c.Project, now)
	if err != nil {
		return err
	}
	versions, err := project.DPAs(ctx, s.DB)
	if err != nil {
		return err
	}
	a := Project{ID: p.ID, Name: p.Name, CreatedAt: p.Created.UTC(), Settings: Version{Number: p.Settings, Settings: p.Current()},
		Secrets: newSecrets(p.IdentitySecretsAt(now)), Retention: Retention{Rules: append([]retention.Rule{}, kept.Rules...), See: "/v1/retention"}, DPA: newDPAState(p.DPA, versions, now)}
	if kept.Days != retention.Unlimited {
		a.Retention.Days = &kept.Days
	}
	web.WriteJSON(w, a)
	return nil
}

// putSettings answers PUT /v1/project/settings.
func (s *server) putSettings(ctx context.Context, c *access.Call, w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseQuery(r).Err(); err != nil {
		return err
	}
	var b struct {
		Version int `json:"version"` // that is replaced; absent: whichever
		project.Settings
	}
	if err := web.ReadJSON(w, r, maxSettings, &b); err != nil {
		return err
	}
	if b.Version < 0 {
		return fault.InField("version", "must be the number of a version")
	}
	if err := b.Check(); err != nil {
		return err
	}
	if err := project.SetSettings(ctx, s.databases(), c.Project, b.Settings, c.KeyHash, b.Version); err != nil {
		return err
	}
	return s.answerProject(ctx, c, w)
}

// settingsHistory answers GET /v1/project/settings/history.
func (s *server) settingsHistory(ctx context.Context, c *access.Call, w http.ResponseWriter, r *http.Request) error {
	q := web.ParseQuery(r)
	before := q.Int("cursor", 0, 1, 1<<31)
	if err := q.Err(); err != nil {
		return err
	}
	page, more, err := project.Versions(ctx, s.DB, c.Project, before, versionsPage)
	if err != nil {
		return err
	}
	a := Versions{Versions: make([]Version, len(page))}
	for i, v := range page {
		a.Versions[i] = Version{v.Number, v.Settings.Whole(), v.By[:min(len(v.By), byLength)], v.At.UTC()}
	}
	if more {
		a.NextCursor = strconv.Itoa(page[len(page)-1].Number)
	}
	c.Count(len(page))
	web.WriteJSON(w, a)
	return nil
}
