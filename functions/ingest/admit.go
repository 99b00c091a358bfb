package ingest

import (
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/project"
)

// maxRetry is the longest that a Retry-After asks to wait, in seconds.
const maxRetry = 3600

// dpas is the one key in the cache of the DPA's versions.
type dpas struct{}

// limiters keep the rates of tokens for longer than targets are remembered. Each
// instance counts for itself: what n instances take together is up to n times as much.
type limiters struct {
	mu    sync.Mutex // two at once would make two for one token
	known *lru.Cache[string, *rate.Limiter]
}

func newLimiters() *limiters {
	known, _ := lru.New[string, *rate.Limiter](maxTokens) // fails for no size
	return &limiters{known: known}
}

// of is the limiter of a token, which it has in common with those that it replaces;
// nil if it has no limit. A whole batch must fit, so the burst is one at least.
func (l *limiters) of(tok *project.Token) *rate.Limiter {
	if tok.RateLimit <= 0 {
		return nil
	}
	limit, burst := rate.Limit(tok.RateLimit), max(tok.RateLimit, event.MaxItems)
	name := tok.Project + "/" + tok.ID
	l.mu.Lock()
	defer l.mu.Unlock()
	limiter, ok := l.known.Get(name)
	if !ok {
		limiter = rate.NewLimiter(limit, burst)
		l.known.Add(name, limiter)
	}
	if limiter.Limit() != limit {
		limiter.SetLimit(limit)
		limiter.SetBurst(burst)
	}
	return limiter
}

// checkOrigin refuses a page that is not on the token's list. What sends no Origin is
// no page: the list binds browsers, and keeps a token from being of use on other sites.
func (t *target) checkOrigin(r *http.Request) error {
	origin := r.Header.Get("Origin")
	if len(t.origins) == 0 || origin == "" || slices.Contains(t.origins, strings.ToLower(origin)) {
		return nil
	}
	return fault.New(fault.Forbidden, "the token is not to be used by pages of this origin")
}

// check says whether the request's events may be taken.
func (t *target) check(r *http.Request, now time.Time) error {
	if err := t.checkOrigin(r); err != nil {
		return err
	}
	if t.dpaEnds && !now.Before(t.dpaUntil) {
		return fault.New(fault.Forbidden, "the project has not accepted the data processing agreement in effect; an admin does that by POST /v1/project/dpa")
	}
	return nil
}

// spend takes n events off the token's rate, or asks to come again.
func (t *target) spend(w http.ResponseWriter, now time.Time, n int) error {
	if t.limiter == nil {
		return nil
	}
	r := t.limiter.ReserveN(now, n)
	wait := r.DelayFrom(now)
	if r.OK() && wait == 0 {
		return nil
	}
	r.CancelAt(now)
	seconds := min(math.Ceil(wait.Seconds()), maxRetry)
	w.Header().Set("Retry-After", strconv.Itoa(int(seconds)))
	return fault.New(fault.RateLimited, "the token's rate limit is reached; send again later")
}

// taker is a token whose items are taken.
type taker struct {
	*target
	token string
	n     int // of the request's items
}

// maxTokensHeld is of how many projects one request may bring items. An SDK knows one
// token; without a bound one request could have as many documents read as it has items.
const maxTokensHeld = 20

// takers finds who takes the items with these tokens; nearly always there is one. A service
// account takes all. What some are refused for is the fault in refused.
func (s *server) takers(r *http.Request, account *target, tokens []string, now time.Time) (takers []taker, refused, err error) {
	if account != nil {
		return []taker{{account, "", len(tokens)}}, nil, account.check(r, now)
	}
	count := map[string]int{}
	for i := 0; i < len(tokens); {
		first := i
		for i < len(tokens) && tokens[i] == tokens[first] {
			i++
		}
		count[tokens[first]] += i - first
	}
	if len(count) > maxTokensHeld {
		return nil, nil, fault.New(fault.Invalid, "more than %d tokens in one request", maxTokensHeld)
	}
	refused = fault.New(fault.Unauthorized, "the token is missing or unknown")
	for token, n := range count {
		t, err := s.intake.target(r.Context(), token)
		if err != nil {
			return nil, nil, err
		}
		if t == nil || t.user != "" { // a service account's secret is no token
			noteRefused(r, token)
			continue
		}
		if err := t.check(r, now); err != nil {
			refused = err
			continue
		}
		takers = append(takers, taker{t, token, n})
	}
	return takers, refused, nil
}
