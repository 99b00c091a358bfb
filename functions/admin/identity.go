package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/web"
)

// IdentitySecret is the answer to who makes a secret by which the app's server proves
// identities. The secret is told this once.
type IdentitySecret struct {
	Secret    string    `json:"secret"`
	CreatedAt time.Time `json:"created_at"`
	Secrets   []Secret  `json:"secrets"` // that work, the newest first
}

// rotateIdentitySecret answers POST /v1/project/identity-secret.
func (s *server) rotateIdentitySecret(ctx context.Context, c *access.Call, w http.ResponseWriter, r *http.Request) error {
	overlap, err := readOverlap(w, r)
	if err != nil {
		return err
	}
	made, err := project.RotateIdentitySecret(ctx, s.databases(), c.Project, overlap)
	if err != nil {
		return err
	}
	p, err := project.Get(ctx, s.DB, c.Project)
	if err != nil {
		return err
	}
	created(w, "/v1/project", IdentitySecret{made.Secret, made.Created, newSecrets(p.IdentitySecretsAt(made.Created))})
	return nil
}

// endIdentitySecrets answers DELETE /v1/project/identity-secret. The same again is no
// error: it mends an end that did not get through to ingest.
func (s *server) endIdentitySecrets(ctx context.Context, c *access.Call, w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseQuery(r).Err(); err != nil {
		return err
	}
	if err := project.EndIdentitySecrets(ctx, s.databases(), c.Project); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
