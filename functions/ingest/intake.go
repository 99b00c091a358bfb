package ingest

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"cloud.google.com/go/firestore"
	"golang.org/x/time/rate"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/security"
)

// Sizes of the caches, in entries of some hundred bytes.
const (
	maxTokens  = 10_000
	maxPersons = 100_000
)

// intake knows what the edge database says, and remembers it for a while.
type intake struct {
	edge     *firestore.Client
	timeout  time.Duration           // of what is read at a time
	tokens   *cache[string, *target] // by token hash; nil: unknown
	persons  *cache[personID, hint]
	dpas     *cache[dpas, []project.DPA] // the versions of the agreement
	limiters *limiters
}

// target is where a token's events go.
type target struct {
	project string
	user    string        // of a service account; empty: it is an SDK token's
	origins []string      // of pages that may use the token; none: all
	limiter *rate.Limiter // nil: none
	expires time.Time     // of the token; zero: does not
	// What the project has accepted is enough until then, if it ends.
	dpaUntil time.Time
	dpaEnds  bool
	project.Intake
}

func newIntake(edge *firestore.Client, timeout, ttl time.Duration) *intake {
	return &intake{
		edge:     edge,
		timeout:  timeout,
		tokens:   newCache[string, *target](ttl, maxTokens),
		persons:  newCache[personID, hint](ttl, maxPersons),
		dpas:     newCache[dpas, []project.DPA](ttl, 1),
		limiters: newLimiters(),
	}
}

// target finds the project of a token; nil if the token is unknown.
func (in *intake) target(ctx context.Context, token string) (*target, error) {
	if token == "" {
		return nil, nil
	}
	now := time.Now()
	in.tokens.age(now)
	hash := project.Hash(token)
	t, ok := in.tokens.get(hash)
	if !ok {
		var err error
		if t, err = in.readTarget(ctx, hash); err != nil {
			return nil, err
		}
		in.tokens.put(hash, t)
	}
	if t != nil && !t.expires.IsZero() && !now.Before(t.expires) {
		return nil, nil
	}
	return t, nil
}

// noteRefused raises that a token was refused; that there was none is nothing to raise.
func noteRefused(r *http.Request, token string) {
	if token != "" {
		security.TokenFailure(r.Context(), r, project.Hash(token))
	}
}

func (in *intake) readTarget(ctx context.Context, hash string) (*target, error) {
	ctx, cancel := context.WithTimeout(ctx, in.timeout)
	defer cancel()
	var tok project.Token
	if ok, err := in.read(ctx, "tokens/"+hash, &tok); !ok {
		return nil, err
	}
	t := &target{project: tok.Project, user: tok.User, origins: tok.Origins, limiter: in.limiters.of(&tok), expires: tok.Expires}
	if ok, err := in.read(ctx, "projects/"+tok.Project, &t.Intake); !ok {
		return nil, err
	}
	in.dpas.age(time.Now())
	versions, ok := in.dpas.get(dpas{})
	if !ok {
		var err error
		if versions, err = project.DPAs(ctx, in.edge); err != nil {
			return nil, err
		}
		in.dpas.put(dpas{}, versions)
	}
	t.dpaUntil, t.dpaEnds = t.DPA.Until(versions)
	return t, nil
}

// read decodes a document; false if there is none.
func (in *intake) read(ctx context.Context, path string, into any) (bool, error) {
	doc, err := in.edge.Doc(path).Get(ctx)
	if status.Code(err) == codes.NotFound {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read intake settings: %w", err)
	}
	if err := doc.DataTo(into); err != nil {
		return false, fmt.Errorf("decode intake settings: %w", err)
	}
	return true, nil
}
