package project

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"cloud.google.com/go/firestore"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/security"
	"github.com/lethe-analytics/lethe/shared/web"
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

// Key is the document of one secret of an API key. A key that is rotated has
// several for a while, with the same id.
type Key struct {
	Project  string    `firestore:"project"`
	ID       string    `firestore:"id"` // stays when the key is rotated
	Name     string    `firestore:"name,omitempty"`
	Role     Role      `firestore:"role"`
	Created  time.Time `firestore:"created"`             // of the key
	Rotated  time.Time `firestore:"rotated,omitempty"`   // when this secret came; zero: with the key
	Expires  time.Time `firestore:"expires,omitempty"`   // zero: does not expire
	Replaced bool      `firestore:"replaced,omitempty"`  // a newer secret has taken its place
	IPRanges []string  `firestore:"ip_ranges,omitempty"` // CIDR; empty: any address
}

// expired says whether the secret is of no more use.
func (k *Key) expired(now time.Time) bool { return !k.Expires.IsZero() && !now.Before(k.Expires) }

// from says whether the key may be used from where the request comes.
func (k *Key) from(r *http.Request) bool {
	if len(k.IPRanges) == 0 {
		return true
	}
	address := web.ClientAddress(r)
	return address.IsValid() && slices.ContainsFunc(k.IPRanges, func(text string) bool {
		cidr, err := netip.ParsePrefix(text)
		return err == nil && cidr.Contains(address)
	})
}

// NewKey makes an API key and returns it; only its hash is stored.
func NewKey(ctx context.Context, db *firestore.Client, project string, role Role) (string, error) {
	key := makeKey()
	return key, AddKey(ctx, db, key, Key{Project: project, Role: role})
}

func makeKey() string { return "lethe_" + hex.EncodeToString(randomBytes(32)) }

// AddKey stores an API key by its hash.
func AddKey(ctx context.Context, db *firestore.Client, key string, k Key) error {
	k.Created = time.Now().UTC()
	k.ID = cmp.Or(k.ID, idOf(Hash(key)))
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
// of a credential was wrong. With a Forbidden one it still says who calls, for the
// access log.
func Authenticate(ctx context.Context, db *firestore.Client, r *http.Request, role Role) (Caller, error) {
	key := bearer(r)
	if key == "" {
		return Caller{}, fault.New(fault.Unauthorized, "send an API key as Authorization: Bearer KEY")
	}
	return authenticate(ctx, db, r, Hash(key), role)
}

// authenticate is Authenticate by the hash of the key's secret.
func authenticate(ctx context.Context, db *firestore.Client, r *http.Request, hash string, role Role) (Caller, error) {
	ctx, cancel := context.WithTimeout(ctx, authTimeout)
	defer cancel()
	k, err := readKey(ctx, db, hash)
	if err != nil && !errors.Is(err, errNoKey) {
		return Caller{}, err
	}
	if err != nil || k.Project == "" || k.expired(time.Now()) {
		security.AuthFailure(ctx, r, hash)
		return Caller{}, fault.New(fault.Unauthorized, "the API key is unknown or has expired")
	}
	caller := Caller{Project: k.Project, Role: k.Role, KeyHash: hash}
	if !k.from(r) {
		return caller, fault.New(fault.Forbidden, "the API key is not to be used from this address")
	}
	if !k.Role.Includes(role) {
		return caller, fault.New(fault.Forbidden, "the API key's role is %s; this needs %s", k.Role, role)
	}
	return caller, nil
}
