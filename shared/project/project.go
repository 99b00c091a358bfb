// Package project owns the tenant: a controller's app with its settings, its
// SDK tokens (public, write-only) and its API keys (secret, with a role).
//
//	(default) projects/{project}   Project: settings, the secret behind person keys
//	(default) keys/{hash}          Key: API key → project, role, expiry
//	edge      projects/{project}   Intake: the settings that bind intake
//	edge      tokens/{hash}        Token: SDK token → project
//
// What stands in both databases is written to (default) first.
package project

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"time"

	"cloud.google.com/go/firestore"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/gcp"
)

// DefaultRetentionDays is five years, leap days included.
const DefaultRetentionDays = 1826

// Project is a tenant's document in (default).
type Project struct {
	ID            string           `firestore:"-"`
	Name          string           `firestore:"name"`
	Created       time.Time        `firestore:"created"`
	Secret        []byte           `firestore:"secret"` // keys the hashes of distinct_ids
	Consent       consent.Defaults `firestore:"consent"`
	RetentionDays int              `firestore:"retention_days"`
}

// Intake is what ingest must know of a project.
type Intake struct {
	Secret  []byte           `firestore:"secret"` // of the opt-out hashes; equals Project.Secret
	Consent consent.Defaults `firestore:"consent"`
}

// Token says what an SDK token, or a service account's secret, may write to.
type Token struct {
	Project string `firestore:"project"`
	User    string `firestore:"user,omitempty"` // of a service account; empty for an SDK token
}

var validID = regexp.MustCompile(`^[a-z][a-z0-9-]{1,62}$`)

// Hash is the form in which tokens and keys are stored and looked up. They are
// random and 128 bits or longer, so a plain hash cannot be searched.
func Hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// Create stores a new project; Consent.Default and RetentionDays get defaults if
// unset, Secret is made. A project that exists is a Conflict.
func Create(ctx context.Context, db gcp.Databases, p Project) (Project, error) {
	if !validID.MatchString(p.ID) {
		return Project{}, fault.InField("id", "must be 2 to 63 of a-z, 0-9 and -, beginning with a letter")
	}
	p.Created = time.Now().UTC()
	p.Secret = randomBytes(32)
	if p.Consent.Default == "" {
		p.Consent.Default = consent.Granted
	}
	if p.RetentionDays == 0 {
		p.RetentionDays = DefaultRetentionDays
	}
	if _, err := db.Default.Doc("projects/"+p.ID).Create(ctx, p); err != nil {
		if status.Code(err) == codes.AlreadyExists {
			return Project{}, fault.Wrap(fault.Conflict, err, "a project of this id exists")
		}
		return Project{}, fmt.Errorf("create project %s: %w", p.ID, err)
	}
	if _, err := db.Edge.Doc("projects/"+p.ID).Set(ctx, Intake{Secret: p.Secret, Consent: p.Consent}); err != nil {
		return Project{}, fmt.Errorf("create intake of project %s: %w", p.ID, err)
	}
	return p, nil
}

// Get reads a project, or a NotFound fault.
func Get(ctx context.Context, db *firestore.Client, id string) (Project, error) {
	doc, err := db.Doc("projects/" + id).Get(ctx)
	if status.Code(err) == codes.NotFound {
		return Project{}, fault.Wrap(fault.NotFound, err, "no such project")
	}
	if err != nil {
		return Project{}, fmt.Errorf("read project %s: %w", id, err)
	}
	p := Project{ID: id}
	if err := doc.DataTo(&p); err != nil {
		return Project{}, fmt.Errorf("decode project %s: %w", id, err)
	}
	return p, nil
}

// NewToken makes an SDK token of a project and returns it; only its hash is stored.
func NewToken(ctx context.Context, edge *firestore.Client, project string) (string, error) {
	token := hex.EncodeToString(randomBytes(16))
	return token, AddToken(ctx, edge, token, Token{Project: project})
}

// AddToken stores a token, or a service account's secret, by its hash.
func AddToken(ctx context.Context, edge *firestore.Client, token string, t Token) error {
	if _, err := edge.Doc("tokens/"+Hash(token)).Set(ctx, t); err != nil {
		return fmt.Errorf("store token of project %s: %w", t.Project, err)
	}
	return nil
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails (crypto/rand since Go 1.24)
	return b
}
