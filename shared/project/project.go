// Package project owns the tenant: a controller's app with its settings, its
// SDK tokens (public, write-only) and its API keys (secret, with a role).
//
//	(default) projects/{project}               Project: settings, the secret behind person keys
//	(default) projects/{project}/settings/{n}  Version: what the settings were, by whom
//	(default) projects/{project}/dpa/{version} Signature: the DPA that was accepted, by whom
//	(default) projects/{project}/tokens/{id}   TokenRecord: an SDK token as it is listed
//	(default) keys/{hash}                      Key: API key → project, role, expiry
//	(default) dpa/{version}                    DPA: a version of the agreement, for all projects
//	edge      projects/{project}               Intake: the settings that bind intake
//	edge      tokens/{hash}                    Token: SDK token → project
//	edge      dpa/{version}                    DPA
//
// What stands in both databases is written to (default) first, with a number that
// grows, and then brought to edge, where a newer number is never overwritten by an
// older one. Where that fails, the same change again mends it.
package project

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"time"

	"cloud.google.com/go/firestore"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/identity"
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
	Purposes      []Purpose        `firestore:"purposes"`
	Regions       []string         `firestore:"regions"`
	Settings      int              `firestore:"settings"` // the number of their Version
	DPA           Accepted         `firestore:"dpa"`
	Revision      int              `firestore:"revision"`           // of what Intake has
	RetentionDays int              `firestore:"retention_days"`     // the rest of it: package retention
	UserIDs       identity.UserIDs `firestore:"user_ids,omitempty"` // what the project's own user ids look like
	// IdentitySecrets prove identities; the newest first.
	IdentitySecrets []IdentitySecret `firestore:"identity_secrets,omitempty"`
	// Contacts are e-mail addresses that are told of incidents.
	Contacts []string `firestore:"contacts,omitempty"`
	// ForbidStaff keeps the processor's staff out, whatever they are granted.
	ForbidStaff bool `firestore:"forbid_staff,omitempty"`
}

// Intake is what ingest must know of a project.
type Intake struct {
	Secret          []byte           `firestore:"secret"` // of the opt-out hashes; equals Project.Secret
	Consent         consent.Defaults `firestore:"consent"`
	DPA             Accepted         `firestore:"dpa"`
	UserIDs         identity.UserIDs `firestore:"user_ids,omitempty"`
	IdentitySecrets []IdentitySecret `firestore:"identity_secrets,omitempty"`
	Revision        int              `firestore:"revision"`
}

func (p *Project) intake() Intake {
	return Intake{Secret: p.Secret, Consent: p.Consent, DPA: p.DPA, UserIDs: p.UserIDs, IdentitySecrets: p.IdentitySecrets, Revision: p.Revision}
}

var validID = regexp.MustCompile(`^[a-z][a-z0-9-]{1,62}$`)

// ValidID reports whether a text can be a project's id.
func ValidID(id string) bool { return validID.MatchString(id) }

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
	p.Settings, p.Revision = 1, 1
	err := db.Default.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		ref := db.Default.Doc("projects/" + p.ID)
		return errors.Join(tx.Create(ref, p), tx.Create(versionRef(ref, 1), Version{Number: 1, Settings: p.Current(), At: p.Created}))
	})
	if err != nil {
		if status.Code(err) == codes.AlreadyExists {
			return Project{}, fault.Wrap(fault.Conflict, err, "a project of this id exists")
		}
		return Project{}, fmt.Errorf("create project %s: %w", p.ID, err)
	}
	if _, err := db.Edge.Doc("projects/"+p.ID).Set(ctx, p.intake()); err != nil {
		return Project{}, fmt.Errorf("create intake of project %s: %w", p.ID, err)
	}
	return p, nil
}

// Get reads a project, or a NotFound fault.
func Get(ctx context.Context, db *firestore.Client, id string) (Project, error) {
	snap, err := db.Doc("projects/" + id).Get(ctx)
	return decode(snap, id, err)
}

// decode reads a project from what Firestore answered.
func decode(snap *firestore.DocumentSnapshot, id string, err error) (Project, error) {
	if status.Code(err) == codes.NotFound {
		return Project{}, fault.Wrap(fault.NotFound, err, "no such project")
	}
	if err != nil {
		return Project{}, fmt.Errorf("read project %s: %w", id, err)
	}
	p := Project{ID: id}
	if err := snap.DataTo(&p); err != nil {
		return Project{}, fmt.Errorf("decode project %s: %w", id, err)
	}
	return p, nil
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails (crypto/rand since Go 1.24)
	return b
}

// now is the time as Firestore keeps it.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }
