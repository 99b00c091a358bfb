package project

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"cloud.google.com/go/firestore"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lethe-analytics/lethe/shared/fault"
)

// Role is what an API key may do; each includes the ones before it.
type Role string

// The roles, from least to most.
const (
	Reader  Role = "reader"  // reports, persons
	Privacy Role = "privacy" // also the requests of data subjects
	Admin   Role = "admin"   // also settings and keys
)

var roles = []Role{Reader, Privacy, Admin}

// Includes reports whether the role has all the rights of another.
func (r Role) Includes(other Role) bool {
	mine, theirs := slices.Index(roles, r), slices.Index(roles, other)
	return mine >= 0 && theirs >= 0 && mine >= theirs
}

// Key is the document of an API key.
type Key struct {
	Project string    `firestore:"project"`
	Role    Role      `firestore:"role"`
	Created time.Time `firestore:"created"`
	Expires time.Time `firestore:"expires,omitempty"` // zero: does not expire
}

// NewKey makes an API key and returns it; only its hash is stored.
func NewKey(ctx context.Context, db *firestore.Client, project string, role Role) (string, error) {
	key := "lethe_" + strings.ToLower(Hash(string(randomBytes(32))))
	return key, AddKey(ctx, db, key, Key{Project: project, Role: role})
}

// AddKey stores an API key by its hash.
func AddKey(ctx context.Context, db *firestore.Client, key string, k Key) error {
	k.Created = time.Now().UTC()
	if _, err := db.Doc("keys/"+Hash(key)).Set(ctx, k); err != nil {
		return fmt.Errorf("store key of project %s: %w", k.Project, err)
	}
	return nil
}

// Caller is who makes a request.
type Caller struct {
	Project string
	Role    Role
	KeyHash string // names the key in logs
}

// authTimeout is how long the look at a key may take: where Firestore is down, a
// caller learns it after that and not at the end of the time for an answer.
const authTimeout = 10 * time.Second

// Authenticate finds the caller by "Authorization: Bearer KEY" and demands a
// role. It answers Unauthorized or Forbidden faults, and never says which part
// of a credential was wrong.
func Authenticate(ctx context.Context, db *firestore.Client, r *http.Request, role Role) (Caller, error) {
	scheme, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || key == "" || len(key) > 256 {
		return Caller{}, fault.New(fault.Unauthorized, "send an API key as Authorization: Bearer KEY")
	}
	ctx, cancel := context.WithTimeout(ctx, authTimeout)
	defer cancel()
	hash := Hash(key)
	doc, err := db.Doc("keys/" + hash).Get(ctx)
	if status.Code(err) == codes.NotFound {
		return Caller{}, fault.New(fault.Unauthorized, "the API key is unknown or has expired")
	}
	if err != nil {
		return Caller{}, fmt.Errorf("read key: %w", err)
	}
	var k Key
	if err := doc.DataTo(&k); err != nil {
		return Caller{}, fmt.Errorf("decode key: %w", err)
	}
	if !k.Expires.IsZero() && !time.Now().Before(k.Expires) {
		return Caller{}, fault.New(fault.Unauthorized, "the API key is unknown or has expired")
	}
	if !k.Role.Includes(role) {
		return Caller{}, fault.New(fault.Forbidden, "the API key's role is %s; this needs %s", k.Role, role)
	}
	return Caller{Project: k.Project, Role: k.Role, KeyHash: hash}, nil
}
