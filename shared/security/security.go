// Package security raises what somebody should look at, as structured log lines that an
// alert matches by one stable field.
//
//	Event ─▶ slog, severity WARNING: {"message":"security event","security_event":KIND,…}
//
//	auth.failed      a credential that is unknown or has expired; an alert counts them
//	auth.repeated    the same source again and again, as one instance sees it
//	export.large     an export of an unusual number of persons
//	deletion.burst   an unusual number of erasures of one project in an hour
//	links.refused    an unusual number of statements of who is who that have no effect
//	grant.exceeded   staff outside a grant's purpose
//	incident.overdue a customer has not acknowledged an incident
//
// No line holds personal data: a source is a hash under a key that this process made up.
package security

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/golang-lru/v2/expirable"
	"golang.org/x/time/rate"

	"github.com/lethe-analytics/lethe/shared/web"
)

// Kind is what happened.
type Kind string

// The kinds.
const (
	AuthFailed      Kind = "auth.failed"
	AuthRepeated    Kind = "auth.repeated"
	ExportLarge     Kind = "export.large"
	DeletionBurst   Kind = "deletion.burst"
	LinksRefused    Kind = "links.refused"
	GrantExceeded   Kind = "grant.exceeded"
	IncidentOverdue Kind = "incident.overdue"
)

// Thresholds.
const (
	// LargeExport is above how many persons an export is unusual.
	LargeExport = 500
	// BurstOf is above how many deletions of a project within BurstWithin they are.
	BurstOf     = 100
	BurstWithin = time.Hour
	// RefusedOf new statements without effect, of a project within BurstWithin, are unusual.
	RefusedOf = 100
	// RepeatedOf failures of one source within RepeatedWithin are repeated ones.
	RepeatedOf     = 10
	RepeatedWithin = 10 * time.Minute
)

// Event raises one.
func Event(ctx context.Context, kind Kind, attrs ...slog.Attr) {
	slog.LogAttrs(ctx, slog.LevelWarn, "security event", append([]slog.Attr{slog.String("security_event", string(kind))}, attrs...)...)
}

// Failures watches authentication. Each instance counts for itself: a source that is
// spread over many is seen by an alert that counts auth.failed.
type Failures struct {
	key     []byte
	sources *expirable.LRU[string, *atomic.Int64]
	lines   *rate.Limiter
	silent  atomic.Int64 // failures without a line
}

// NewFailures makes a Failures.
func NewFailures() *Failures {
	key := make([]byte, 32)
	rand.Read(key) // never fails (crypto/rand since Go 1.24)
	return &Failures{key: key, sources: expirable.NewLRU[string, *atomic.Int64](10_000, nil, RepeatedWithin), lines: rate.NewLimiter(2, 100)}
}

// failures are this process's.
var failures = sync.OnceValue(NewFailures)

// AuthFailure is Note, of the Failures that a process has.
func AuthFailure(ctx context.Context, r *http.Request, keyHash string) {
	failures().Note(ctx, r, keyHash)
}

// TokenFailure is AuthFailure of an SDK token. No source of these is raised as repeated:
// the token is no secret, and an app whose token was revoked goes on with it from everywhere.
func TokenFailure(ctx context.Context, r *http.Request, tokenHash string) {
	failures().line(ctx, r, tokenHash)
}

// line tells of a failure, and returns its source and what is told of it. Lines are
// limited to two a second, since anybody could fill the log with them; one that comes
// later tells how many are missing.
func (f *Failures) line(ctx context.Context, r *http.Request, keyHash string) (source string, who []slog.Attr) {
	mac := hmac.New(sha256.New, f.key)
	mac.Write([]byte(web.ClientAddress(r).String()))
	source = hex.EncodeToString(mac.Sum(nil)[:8])
	who = []slog.Attr{slog.String("source", source), slog.String("key", keyHash[:min(len(keyHash), 8)])}
	if f.lines.Allow() {
		Event(ctx, AuthFailed, append(who, slog.Int64("more", f.silent.Swap(0)))...)
	} else {
		f.silent.Add(1)
	}
	return source, who
}

// Note notes a request whose credential was refused. KeyHash is the hash of the
// credential, of which a prefix is told.
func (f *Failures) Note(ctx context.Context, r *http.Request, keyHash string) {
	source, who := f.line(ctx, r, keyHash)
	n, ok := f.sources.Get(source)
	if !ok { // two at once may lose one count
		n = new(atomic.Int64)
		f.sources.Add(source, n)
	}
	if n.Add(1) == RepeatedOf {
		Event(ctx, AuthRepeated, append(who, slog.Int("failures", RepeatedOf))...)
	}
}
