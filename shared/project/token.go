package project

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"cloud.google.com/go/firestore"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/gcp"
)

// Token says what an SDK token, or a service account's secret, may write to.
type Token struct {
	Project   string    `firestore:"project"`
	ID        string    `firestore:"id,omitempty"`         // of its TokenRecord
	User      string    `firestore:"user,omitempty"`       // of a service account; empty for an SDK token
	Origins   []string  `firestore:"origins,omitempty"`    // of pages that may use it; empty: all
	RateLimit int       `firestore:"rate_limit,omitempty"` // events a second; 0: none
	Expires   time.Time `firestore:"expires,omitempty"`    // of one that is replaced or revoked
	Revision  int       `firestore:"revision,omitempty"`   // of its TokenRecord
}

// TokenRecord is an SDK token, or a service account, as it is listed.
type TokenRecord struct {
	ID        string      `firestore:"-"` // stays when it is rotated
	Name      string      `firestore:"name"`
	User      string      `firestore:"user,omitempty"` // of a service account, for good; empty: it is an SDK token
	Origins   []string    `firestore:"origins"`
	RateLimit int         `firestore:"rate_limit"`
	Created   time.Time   `firestore:"created"`
	Rotated   time.Time   `firestore:"rotated,omitempty"`
	Hash      string      `firestore:"hash"`
	Old       []OldSecret `firestore:"old"` // the newest first
	Revoked   bool        `firestore:"revoked"`
	Gone      time.Time   `firestore:"gone,omitempty"` // when Firestore may delete a revoked one
	Revision  int         `firestore:"revision"`
}

// OldSecret is a secret that a newer one has replaced.
type OldSecret struct {
	Hash    string    `firestore:"hash"`
	Expires time.Time `firestore:"expires"`
}

// forget is how long the record of a revoked token stays, so that revoking it again
// mends what did not reach edge.
const forget = 30 * 24 * time.Hour

// NewToken makes an SDK token of a project and returns it; only its hash is stored.
func NewToken(ctx context.Context, db gcp.Databases, project string) (string, error) {
	token := makeToken()
	return token, AddToken(ctx, db, token, Token{Project: project})
}

func makeToken() string { return hex.EncodeToString(randomBytes(16)) }

// AddToken stores a token, or a service account's secret, by its hash. An SDK token
// that is stored already stays as it is.
func AddToken(ctx context.Context, db gcp.Databases, token string, t Token) error {
	hash := Hash(token)
	if t.User != "" {
		if _, err := db.Edge.Doc("tokens/"+hash).Set(ctx, t); err != nil {
			return fmt.Errorf("store a service account of project %s: %w", t.Project, err)
		}
		return nil
	}
	rec := TokenRecord{ID: idOf(hash), Hash: hash, Created: time.Now().UTC(), Origins: t.Origins, RateLimit: t.RateLimit, Revision: 1}
	if _, err := tokenRef(db.Default, t.Project, rec.ID).Create(ctx, rec); err != nil && status.Code(err) != codes.AlreadyExists {
		return fmt.Errorf("store token of project %s: %w", t.Project, err)
	}
	_, err := syncToken(ctx, db, t.Project, rec.ID)
	return err
}

func tokenRef(db *firestore.Client, project, id string) *firestore.DocumentRef {
	return db.Doc("projects/" + project + "/tokens/" + id)
}

// CreateToken makes an SDK token, or the secret of a service account, as the record says,
// and returns it.
func CreateToken(ctx context.Context, db gcp.Databases, project string, rec TokenRecord) (token string, _ *TokenRecord, err error) {
	if rec.User != "" && len(rec.Origins) > 0 {
		return "", nil, noOrigins()
	}
	token = makeToken()
	rec.Hash, rec.Created, rec.Revision = Hash(token), now(), 1
	rec.ID = idOf(rec.Hash)
	err = db.Default.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		all, err := tx.Documents(tokensOf(db.Default, project)).GetAll()
		if err != nil {
			return err
		}
		if len(all) >= MaxKeys {
			return fault.New(fault.Conflict, "the project has %d tokens, the most there can be; revoke one first", MaxKeys)
		}
		return tx.Create(tokenRef(db.Default, project, rec.ID), rec)
	})
	if err != nil {
		return "", nil, fmt.Errorf("create token of project %s: %w", project, err)
	}
	if _, err := syncToken(ctx, db, project, rec.ID); err != nil {
		return "", nil, err
	}
	return token, &rec, nil
}

func tokensOf(db *firestore.Client, project string) firestore.Query {
	return db.Collection("projects/"+project+"/tokens").Where("revoked", "==", false)
}

// ListTokens lists a project's SDK tokens.
func ListTokens(ctx context.Context, db *firestore.Client, project string) ([]*TokenRecord, error) {
	snaps, err := tokensOf(db, project).Documents(ctx).GetAll()
	if err != nil {
		return nil, fmt.Errorf("list tokens of project %s: %w", project, err)
	}
	all := make([]*TokenRecord, len(snaps))
	for i, snap := range snaps {
		if all[i], err = decodeToken(snap); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func decodeToken(snap *firestore.DocumentSnapshot) (*TokenRecord, error) {
	rec := &TokenRecord{ID: snap.Ref.ID}
	if err := snap.DataTo(rec); err != nil {
		return nil, fmt.Errorf("decode token: %w", err)
	}
	return rec, nil
}

// Working are the secrets of a token that work, the newest first.
func (rec *TokenRecord) Working(now time.Time) []Secret {
	all := []Secret{{Prefix: rec.Hash[:prefixLength]}}
	for _, old := range rec.Old {
		if now.Before(old.Expires) {
			all = append(all, Secret{old.Hash[:prefixLength], old.Expires})
		}
	}
	return all
}
