package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/project"
)

// handover is how long the first key of a project is valid: the customer makes keys of
// its own with it, which nobody else has ever seen.
const handover = 7 * 24 * time.Hour

// NewProject is the answer of POST /v1/projects.
type NewProject struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"created_at"`
	Key       Key       `json:"key"` // of role admin, for a week
}

// createProject answers POST /v1/projects: a new customer's project, with the key that
// is handed over. Events are taken once the customer has accepted the DPA.
func (s *server) createProject(ctx context.Context, c *access.Call, w http.ResponseWriter, r *http.Request) error {
	var b struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	}
	if err := readBody(w, r, &b); err != nil {
		return err
	}
	if why := project.CheckName(b.Name); why != "" {
		return fault.InField("name", "%s", why)
	}
	p, err := project.Create(ctx, s.databases(), project.Project{ID: b.ID, Name: b.Name})
	if fault.Of(err) == fault.Conflict { // or begun, and cut off before it had a key
		keys, listErr := project.ListKeys(ctx, s.DB, b.ID)
		if listErr != nil {
			return listErr
		}
		if len(keys) > 0 {
			return err
		}
		p, err = project.Get(ctx, s.DB, b.ID)
	}
	if err != nil {
		return err
	}
	c.On(p)
	secret, rec, err := project.CreateKey(ctx, s.DB, project.Key{
		Project: p.ID, Name: "Handover", Role: project.Admin, Expires: time.Now().UTC().Add(handover).Truncate(time.Second),
	})
	if err != nil {
		return err
	}
	c.Object(rec.ID)
	created(w, "/v1/project", NewProject{p.ID, p.Name, p.Created.UTC(), newKey(rec, secret)})
	return nil
}
