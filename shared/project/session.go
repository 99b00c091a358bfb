package project

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"cloud.google.com/go/firestore"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/security"
)

// MaxSession is how long a session works at most.
const MaxSession = 12 * time.Hour

// sessionPrefix begins every session's secret. No API key begins so: what follows
// "lethe_" there is hex.
const sessionPrefix = "lethe_session_"

// Session is the document of a session, in keys/{hash} as an API key. It has no rights of
// its own and names no project, so that it is in no list of keys: whoever made it is
// looked up at each call, and once that key or member may do no more, nor may the session.
type Session struct {
	ID      string    `firestore:"-"`
	Hash    string    `firestore:"-"`
	Key     string    `firestore:"key,omitempty"`   // the hash of the API key's secret, or
	Email   string    `firestore:"email,omitempty"` // the member of staff
	Created time.Time `firestore:"session_created"`
	Expires time.Time `firestore:"session_expires"`
}

// IsSession reports whether a request carries what could be a session.
func IsSession(r *http.Request) bool { return strings.HasPrefix(bearer(r), sessionPrefix) }

// bearer is the secret of "Authorization: Bearer SECRET"; empty if there is none.
func bearer(r *http.Request) string {
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || len(secret) > 256 {
		return ""
	}
	return secret
}

// KeySession makes a session of an API key, by the hash of the key's secret. It ends
// with the key at the latest.
func KeySession(ctx context.Context, db *firestore.Client, keyHash string) (secret string, s Session, err error) {
	k, err := readKey(ctx, db, keyHash)
	if errors.Is(err, errNoKey) { // revoked in this moment
		return "", Session{}, fault.Wrap(fault.Unauthorized, err, "the API key is unknown or has expired")
	}
	if err != nil {
		return "", Session{}, err
	}
	s = Session{Key: keyHash, Created: now()}
	s.Expires = earlier(k.Expires, s.Created.Add(MaxSession))
	secret, err = s.create(ctx, db)
	return secret, s, err
}

// StaffSession makes a session of a member of staff. It ends with the UTC day at the
// latest.
func StaffSession(ctx context.Context, db *firestore.Client, email string) (secret string, s Session, err error) {
	s = Session{Email: email, Created: now()}
	s.Expires = staffUntil(s.Created)
	secret, err = s.create(ctx, db)
	return secret, s, err
}

// staffUntil is when a session ends that a member of staff makes at a time.
func staffUntil(at time.Time) time.Time {
	midnight := at.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
	return earlier(at.Add(MaxSession), midnight)
}

// create stores the session by its hash; its secret is stored nowhere.
func (s *Session) create(ctx context.Context, db *firestore.Client) (secret string, err error) {
	secret = sessionPrefix + hex.EncodeToString(randomBytes(32))
	s.Hash = Hash(secret)
	s.ID = idOf(s.Hash)
	if _, err := db.Doc("keys/"+s.Hash).Create(ctx, s); err != nil {
		return "", fmt.Errorf("store session: %w", err)
	}
	return secret, nil
}

// errSession is told of every session that does not work, whatever the reason.
const errSession = "the session is unknown or has ended; sign in again"

// OpenSession finds the session that a request carries, or answers an Unauthorized fault.
func OpenSession(ctx context.Context, db *firestore.Client, r *http.Request) (*Session, error) {
	ctx, cancel := context.WithTimeout(ctx, authTimeout)
	defer cancel()
	hash := Hash(bearer(r))
	snap, err := db.Doc("keys/" + hash).Get(ctx)
	if err != nil && status.Code(err) != codes.NotFound {
		return nil, fmt.Errorf("read session: %w", err)
	}
	s := &Session{Hash: hash, ID: idOf(hash)}
	if err == nil {
		if err := snap.DataTo(s); err != nil {
			return nil, fmt.Errorf("decode session: %w", err)
		}
	}
	if !time.Now().Before(s.Expires) { // the zero time of an unknown one, too
		security.AuthFailure(ctx, r, hash)
		return nil, fault.New(fault.Unauthorized, errSession)
	}
	return s, nil
}

// Authenticate is project.Authenticate for a session of an API key: the caller is that
// key, with the role that it has now and from the addresses that it may be used from.
func (s *Session) Authenticate(ctx context.Context, db *firestore.Client, r *http.Request, role Role) (Caller, error) {
	if s.Key == "" {
		return Caller{}, fault.New(fault.Unauthorized, "no staff are let in here")
	}
	caller, err := authenticate(ctx, db, r, s.Key, role)
	if fault.Of(err) == fault.Unauthorized {
		return caller, fault.Wrap(fault.Unauthorized, err, errSession)
	}
	return caller, err
}

// End ends a session at once.
func (s *Session) End(ctx context.Context, db *firestore.Client) error {
	if _, err := db.Doc("keys/" + s.Hash).Delete(ctx); err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	return nil
}

// errNoKey says that there is no such key.
var errNoKey = errors.New("no such key")

// readKey reads a key by the hash of its secret; errNoKey if there is none.
func readKey(ctx context.Context, db *firestore.Client, hash string) (k Key, err error) {
	doc, err := db.Doc("keys/" + hash).Get(ctx)
	if status.Code(err) == codes.NotFound {
		return k, errNoKey
	}
	if err != nil {
		return k, fmt.Errorf("read key: %w", err)
	}
	if err := doc.DataTo(&k); err != nil {
		return k, fmt.Errorf("decode key: %w", err)
	}
	return k, nil
}
