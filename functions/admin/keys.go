package admin

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"time"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/web"
)

// Limits of keys and tokens.
const (
	maxSmall       = 16 << 10 // bytes of a body
	maxRanges      = 20
	defaultOverlap = 24 * time.Hour
)

// Key is an API key in an answer. Its secret is told once, when it is made.
type Key struct {
	ID        string       `json:"id"`
	Name      string       `json:"name"`
	Role      project.Role `json:"role"`
	Secret    string       `json:"secret,omitempty"`
	CreatedAt time.Time    `json:"created_at"`
	RotatedAt time.Time    `json:"rotated_at,omitzero"`
	ExpiresAt time.Time    `json:"expires_at,omitzero"`
	IPRanges  []string     `json:"ip_ranges"`
	Secrets   []Secret     `json:"secrets"` // that work, the newest first
}

// Secret is one of the secrets of a key or token that work.
type Secret struct {
	Prefix    string    `json:"hash_prefix"`         // of its hash, by which the access log names who called
	ExpiresAt time.Time `json:"expires_at,omitzero"` // absent: does not expire
}

func newSecrets(all []project.Secret) []Secret {
	list := make([]Secret, len(all))
	for i, s := range all {
		list[i] = Secret{s.Prefix, s.Expires.UTC()}
	}
	return list
}

func newKey(k *project.KeyRecord, secret string) Key {
	return Key{ID: k.ID, Name: k.Name, Role: k.Role, Secret: secret, CreatedAt: k.Created.UTC(), RotatedAt: k.Rotated.UTC(),
		ExpiresAt: k.Expires.UTC(), IPRanges: append([]string{}, k.IPRanges...), Secrets: newSecrets(k.Secrets)}
}

// createKey answers POST /v1/keys.
func (s *server) createKey(ctx context.Context, c *access.Call, w http.ResponseWriter, r *http.Request) error {
	var b struct {
		Name      string       `json:"name"`
		Role      project.Role `json:"role"`
		ExpiresAt time.Time    `json:"expires_at"`
		IPRanges  []string     `json:"ip_ranges"`
	}
	if err := readBody(w, r, &b); err != nil {
		return err
	}
	k := project.Key{Project: c.Project, Name: b.Name, Role: b.Role, Expires: b.ExpiresAt.UTC()}
	if why := project.CheckName(b.Name); why != "" {
		return fault.InField("name", "%s", why)
	}
	if !b.Role.Includes(project.Reader) {
		return fault.InField("role", "must be reader, privacy or admin")
	}
	if !b.ExpiresAt.IsZero() && !b.ExpiresAt.After(time.Now()) {
		return fault.InField("expires_at", "must be in the future")
	}
	if len(b.IPRanges) > maxRanges {
		return fault.InField("ip_ranges", "are %d; at most %d are taken", len(b.IPRanges), maxRanges)
	}
	for i, text := range b.IPRanges {
		cidr, err := netip.ParsePrefix(text)
		if err != nil || cidr.Addr().Is4In6() {
			return fault.InField(fmt.Sprintf("ip_ranges[%d]", i), "must be a range of addresses (CIDR), such as 192.0.2.0/24 or 2001:db8::/32")
		}
		k.IPRanges = append(k.IPRanges, cidr.Masked().String())
	}
	secret, rec, err := project.CreateKey(ctx, s.DB, k)
	if err != nil {
		return err
	}
	c.Object(rec.ID)
	created(w, "/v1/keys/"+rec.ID, newKey(rec, secret))
	return nil
}

// readBody reads a body of an endpoint that takes no parameters.
func readBody(w http.ResponseWriter, r *http.Request, into any) error {
	if err := web.ParseQuery(r).Err(); err != nil {
		return err
	}
	return web.ReadJSON(w, r, maxSmall, into)
}

// created answers 201 with where it is.
func created(w http.ResponseWriter, path string, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", path)
	w.WriteHeader(http.StatusCreated)
	web.WriteJSON(w, answer)
}

// listKeys answers GET /v1/keys.
func (s *server) listKeys(ctx context.Context, c *access.Call, w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseQuery(r).Err(); err != nil {
		return err
	}
	all, err := project.ListKeys(ctx, s.DB, c.Project)
	if err != nil {
		return err
	}
	keys := make([]Key, len(all))
	for i, k := range all {
		keys[i] = newKey(k, "")
	}
	c.Count(len(keys))
	web.WriteJSON(w, map[string]any{"keys": keys})
	return nil
}

var idForm = regexp.MustCompile(`^[0-9a-f]{16}$`)

// idOf is the id in the path of a key or token.
func idOf(r *http.Request, what string) (string, error) {
	id := r.PathValue("id")
	if !idForm.MatchString(id) {
		return "", fault.New(fault.NotFound, "there is no such %s", what)
	}
	return id, nil
}

// readOverlap reads the body of a rotation, which may be left out.
func readOverlap(w http.ResponseWriter, r *http.Request) (time.Duration, error) {
	var b struct {
		Overlap *string `json:"overlap"`
	}
	if r.ContentLength != 0 {
		if err := readBody(w, r, &b); err != nil {
			return 0, err
		}
	} else if err := web.ParseQuery(r).Err(); err != nil {
		return 0, err
	}
	if b.Overlap == nil {
		return defaultOverlap, nil
	}
	overlap, err := time.ParseDuration(*b.Overlap)
	if err != nil || overlap < 0 || overlap > project.MaxOverlap {
		return 0, fault.InField("overlap", "must be a time from 0s to %s, such as 24h", project.MaxOverlap)
	}
	return overlap, nil
}

// rotateKey answers POST /v1/keys/{id}/rotate.
func (s *server) rotateKey(ctx context.Context, c *access.Call, w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r, "key")
	if err != nil {
		return err
	}
	overlap, err := readOverlap(w, r)
	if err != nil {
		return err
	}
	secret, rec, err := project.RotateKey(ctx, s.DB, c.Project, id, overlap)
	if err != nil {
		return err
	}
	web.WriteJSON(w, newKey(rec, secret))
	return nil
}

// revokeKey answers DELETE /v1/keys/{id}.
func (s *server) revokeKey(ctx context.Context, c *access.Call, w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r, "key")
	if err != nil {
		return err
	}
	if err := project.RevokeKey(ctx, s.DB, c.Project, id); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
