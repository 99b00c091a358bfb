package project

import (
	"context"
	"fmt"
	"time"

	"cloud.google.com/go/firestore"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/gcp"
)

// errNoToken is what there is to say of a token that is unknown or revoked.
func errNoToken() error { return fault.New(fault.NotFound, "there is no such token") }

// noOrigins is why a service account has none: its secret is to be in no page.
func noOrigins() error {
	return fault.InField("origins", "no page may have the secret of a service account")
}

// RotateToken gives a token a new secret and returns it. Those before work for as long
// as the overlap says, but not longer than they would have.
func RotateToken(ctx context.Context, db gcp.Databases, project, id string, overlap time.Duration) (token string, rec *TokenRecord, err error) {
	token = makeToken()
	now := now()
	rec, err = changeToken(ctx, db, project, id, func(rec *TokenRecord) error {
		if rec.Revoked {
			return errNoToken()
		}
		if overlap > 0 && len(rec.Working(now)) >= maxSecrets {
			return tooManySecrets()
		}
		until := now.Add(overlap)
		old := []OldSecret{{rec.Hash, until}}
		for _, o := range rec.Old {
			// With the one that is replaced now, those of before are still to be told to
			// edge; of what has ended long ago edge knows.
			if now.Sub(o.Expires) < forget {
				old = append(old, OldSecret{o.Hash, earlier(o.Expires, until)})
			}
		}
		rec.Old, rec.Hash, rec.Rotated = old[:min(len(old), maxOld)], Hash(token), now
		return nil
	})
	return token, rec, err
}

// maxOld bounds the secrets that a record remembers. Of those few alone can still work.
const maxOld = 50

// UpdateToken changes what a token may be used for.
func UpdateToken(ctx context.Context, db gcp.Databases, project, id string, to TokenRecord) (*TokenRecord, error) {
	return changeToken(ctx, db, project, id, func(rec *TokenRecord) error {
		if rec.Revoked {
			return errNoToken()
		}
		if to.User != "" && to.User != rec.User {
			return fault.InField("user", "stays as it was made")
		}
		if rec.User != "" && len(to.Origins) > 0 {
			return noOrigins()
		}
		rec.Name, rec.Origins, rec.RateLimit = to.Name, to.Origins, to.RateLimit
		return nil
	})
}

// RevokeToken ends a token. Ingest heeds it when its caches are old.
func RevokeToken(ctx context.Context, db gcp.Databases, project, id string) error {
	now := now()
	_, err := changeToken(ctx, db, project, id, func(rec *TokenRecord) error {
		if !rec.Revoked {
			rec.Revoked, rec.Gone = true, now.Add(forget)
		}
		return nil
	})
	return err
}

// changeToken changes the record, then edge.
func changeToken(ctx context.Context, db gcp.Databases, project, id string, change func(*TokenRecord) error) (*TokenRecord, error) {
	ref := tokenRef(db.Default, project, id)
	err := db.Default.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		snap, err := tx.Get(ref)
		if status.Code(err) == codes.NotFound {
			return errNoToken()
		}
		if err != nil {
			return err
		}
		rec, err := decodeToken(snap)
		if err != nil {
			return err
		}
		if err := change(rec); err != nil {
			return err
		}
		rec.Revision++
		return tx.Set(ref, rec)
	})
	if err != nil {
		return nil, fmt.Errorf("change token of project %s: %w", project, err)
	}
	return syncToken(ctx, db, project, id)
}

// syncToken brings to edge what the record says of each of its secrets.
func syncToken(ctx context.Context, db gcp.Databases, project, id string) (*TokenRecord, error) {
	snap, err := tokenRef(db.Default, project, id).Get(ctx)
	if err != nil {
		return nil, fmt.Errorf("read token of project %s: %w", project, err)
	}
	rec, err := decodeToken(snap)
	if err != nil {
		return nil, err
	}
	secrets := append([]OldSecret{{Hash: rec.Hash}}, rec.Old...)
	refs := make([]*firestore.DocumentRef, len(secrets))
	for i, s := range secrets {
		refs[i] = db.Edge.Doc("tokens/" + s.Hash)
	}
	err = db.Edge.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		there, err := tx.GetAll(refs)
		if err != nil {
			return err
		}
		for i, snap := range there {
			var now Token
			if snap.Exists() {
				if err := snap.DataTo(&now); err != nil {
					return fmt.Errorf("decode token: %w", err)
				}
			}
			if now.Revision >= rec.Revision {
				continue
			}
			t := Token{Project: project, ID: id, User: rec.User, Origins: rec.Origins, RateLimit: rec.RateLimit, Expires: secrets[i].Expires, Revision: rec.Revision}
			if rec.Revoked {
				t.Expires = earlier(t.Expires, rec.Gone.Add(-forget))
			}
			if err := tx.Set(refs[i], t); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("bring token of project %s to edge: %w", project, err)
	}
	return rec, nil
}
