package project

import (
	"context"
	"encoding/hex"
	"time"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/gcp"
)

// MaxIdentitySecrets is how many secrets prove identities at a time: the newest, and the
// one before it while the app's servers change over.
const MaxIdentitySecrets = 2

// IdentitySecret is a secret by which the app's server proves a distinct_id (package
// identity). It is stored as it is: to verify takes the same secret.
type IdentitySecret struct {
	Secret  string    `firestore:"secret"`
	Created time.Time `firestore:"created"`
	Expires time.Time `firestore:"expires,omitempty"` // zero: does not
}

func makeIdentitySecret() string { return "lethe_identity_" + hex.EncodeToString(randomBytes(32)) }

// works reports whether the secret still proves something.
func (s *IdentitySecret) works(at time.Time) bool { return s.Expires.IsZero() || at.Before(s.Expires) }

// Working are the secrets that prove identities at a time.
func (in *Intake) Working(at time.Time) (secrets []string) {
	for i := range in.IdentitySecrets {
		if s := &in.IdentitySecrets[i]; s.works(at) {
			secrets = append(secrets, s.Secret)
		}
	}
	return secrets
}

// IdentitySecretsAt are those that work at a time, as they may be told: by a prefix of
// their hashes.
func (p *Project) IdentitySecretsAt(at time.Time) []Secret {
	told := []Secret{}
	for _, s := range working(p.IdentitySecrets, at) {
		told = append(told, Secret{Hash(s.Secret)[:prefixLength], s.Expires})
	}
	return told
}

func working(secrets []IdentitySecret, at time.Time) (all []IdentitySecret) {
	for _, s := range secrets {
		if s.works(at) {
			all = append(all, s)
		}
	}
	return all
}

// RotateIdentitySecret makes a new secret of a project, beside the one before, which
// works for as long as the overlap says, but not longer than it would have.
func RotateIdentitySecret(ctx context.Context, db gcp.Databases, id string, overlap time.Duration) (made IdentitySecret, err error) {
	now := now()
	made = IdentitySecret{Secret: makeIdentitySecret(), Created: now}
	err = revise(ctx, db, id, func(p *Project) (change, error) {
		all := []IdentitySecret{made}
		for _, old := range working(p.IdentitySecrets, now) {
			if old.Secret == made.Secret { // the answer to the write was lost
				return change{}, nil
			}
			if old.Expires = earlier(old.Expires, now.Add(overlap)); old.works(now) {
				all = append(all, old)
			}
		}
		if len(all) > MaxIdentitySecrets {
			return change{}, fault.New(fault.Conflict, "%d secrets work at the same time, the most there can be; rotate with no overlap, or wait until one has expired", MaxIdentitySecrets)
		}
		return change{fields: map[string]any{"identity_secrets": all}}, nil
	})
	return made, err
}

// EndIdentitySecrets ends all secrets of a project: from then on nothing is proven. The
// same again mends what did not get through to ingest.
func EndIdentitySecrets(ctx context.Context, db gcp.Databases, id string) error {
	return revise(ctx, db, id, func(p *Project) (change, error) {
		if len(p.IdentitySecrets) == 0 {
			return change{}, nil
		}
		return change{fields: map[string]any{"identity_secrets": []IdentitySecret{}}}, nil
	})
}
