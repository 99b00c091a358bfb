package admin

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/web"
)

// Limits of tokens.
const (
	maxOrigins   = 50
	maxRateLimit = 1_000_000
)

// Token is an SDK token, or a service account, in an answer. It is told itself once, when
// it is made.
type Token struct {
	ID        string    `json:"id"`
	Token     string    `json:"token,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	RotatedAt time.Time `json:"rotated_at,omitzero"`
	tokenBody
	Secrets []Secret `json:"secrets"` // that work, the newest first
}

// tokenBody is what a token may be used for.
type tokenBody struct {
	Name      string   `json:"name"`
	User      string   `json:"user,omitempty"`       // of a service account; absent: an SDK token
	Origins   []string `json:"origins"`              // of pages; empty: all
	RateLimit int      `json:"rate_limit,omitempty"` // events a second, of each instance of ingest; absent: none
}

func newToken(rec *project.TokenRecord, token string) Token {
	return Token{ID: rec.ID, Token: token, CreatedAt: rec.Created.UTC(), RotatedAt: rec.Rotated.UTC(),
		tokenBody: tokenBody{rec.Name, rec.User, append([]string{}, rec.Origins...), rec.RateLimit}, Secrets: newSecrets(rec.Working(time.Now()))}
}

// origin is the form in which browsers name a page's
// (https://www.rfc-editor.org/rfc/rfc6454#section-6.2).
var origin = regexp.MustCompile(`^[a-z][a-z0-9+.-]{0,30}://([a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\])(:[0-9]{1,5})?$`)

// user is the name of a service account, as HTTP Basic can send it.
var user = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

func readToken(w http.ResponseWriter, r *http.Request) (rec project.TokenRecord, err error) {
	var b tokenBody
	if err := readBody(w, r, &b); err != nil {
		return rec, err
	}
	if b.Name != "" {
		if why := project.CheckName(b.Name); why != "" {
			return rec, fault.InField("name", "%s", why)
		}
	}
	if b.RateLimit < 0 || b.RateLimit > maxRateLimit {
		return rec, fault.InField("rate_limit", "must be a whole number of events a second up to %d, or 0 for none", maxRateLimit)
	}
	if len(b.Origins) > maxOrigins {
		return rec, fault.InField("origins", "are %d; at most %d are taken", len(b.Origins), maxOrigins)
	}
	if b.User != "" && !user.MatchString(b.User) {
		return rec, fault.InField("user", "must be of 1 to 64 of A-Z, a-z, 0-9, ., _ and -")
	}
	rec = project.TokenRecord{Name: b.Name, User: b.User, Origins: []string{}, RateLimit: b.RateLimit}
	for i, text := range b.Origins {
		o := strings.ToLower(text)
		if !origin.MatchString(o) {
			return rec, fault.InField(fmt.Sprintf("origins[%d]", i), "must be an origin, such as https://app.example or http://localhost:3000, without a path")
		}
		// Browsers leave the scheme's own port out.
		if scheme, _, _ := strings.Cut(o, ":"); scheme == "https" {
			o = strings.TrimSuffix(o, ":443")
		} else if scheme == "http" {
			o = strings.TrimSuffix(o, ":80")
		}
		rec.Origins = append(rec.Origins, o)
	}
	slices.Sort(rec.Origins)
	rec.Origins = slices.Compact(rec.Origins)
	return rec, nil
}

func (s *server) databases() gcp.Databases { return gcp.Databases{Default: s.DB, Edge: s.Edge} }

// createToken answers POST /v1/tokens.
func (s *server) createToken(ctx context.Context, c *access.Call, w http.ResponseWriter, r *http.Request) error {
	what, err := readToken(w, r)
	if err != nil {
		return err
	}
	token, rec, err := project.CreateToken(ctx, s.databases(), c.Project, what)
	if err != nil {
		return err
	}
	c.Object(rec.ID)
	created(w, "/v1/tokens/"+rec.ID, newToken(rec, token))
	return nil
}

// listTokens answers GET /v1/tokens.
func (s *server) listTokens(ctx context.Context, c *access.Call, w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseQuery(r).Err(); err != nil {
		return err
	}
	all, err := project.ListTokens(ctx, s.DB, c.Project)
	if err != nil {
		return err
	}
	tokens := make([]Token, len(all))
	for i, rec := range all {
		tokens[i] = newToken(rec, "")
	}
	c.Count(len(tokens))
	web.WriteJSON(w, map[string]any{"tokens": tokens})
	return nil
}

// putToken answers PUT /v1/tokens/{id}.
func (s *server) putToken(ctx context.Context, c *access.Call, w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r, "token")
	if err != nil {
		return err
	}
	what, err := readToken(w, r)
	if err != nil {
		return err
	}
	rec, err := project.UpdateToken(ctx, s.databases(), c.Project, id, what)
	if err != nil {
		return err
	}
	web.WriteJSON(w, newToken(rec, ""))
	return nil
}

// rotateToken answers POST /v1/tokens/{id}/rotate.
func (s *server) rotateToken(ctx context.Context, c *access.Call, w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r, "token")
	if err != nil {
		return err
	}
	overlap, err := readOverlap(w, r)
	if err != nil {
		return err
	}
	token, rec, err := project.RotateToken(ctx, s.databases(), c.Project, id, overlap)
	if err != nil {
		return err
	}
	web.WriteJSON(w, newToken(rec, token))
	return nil
}

// revokeToken answers DELETE /v1/tokens/{id}. Revoking one again is no error: it
// mends a revocation that did not get through to ingest.
func (s *server) revokeToken(ctx context.Context, c *access.Call, w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r, "token")
	if err != nil {
		return err
	}
	if err := project.RevokeToken(ctx, s.databases(), c.Project, id); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
