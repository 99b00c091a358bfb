package ingest

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/identity"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/profile"
)

var tooManyClaims = fmt.Sprintf("more than %d statements of who is who in one request; send it in another, or by a service account", identity.MaxClaims)

// boundLinks refuses what a request by token says of who is who beyond a bound: each
// statement is work beyond the event.
func boundLinks(p *event.Parsed) {
	n := 0
	for i := range p.Events {
		if !identity.IsClaim(p.Events[i].Name) {
			continue
		}
		if n++; n > identity.MaxClaims {
			p.Refuse(i, "", tooManyClaims)
		}
	}
}

// commit publishes the chosen events or operations of a request to one project,
// less those of persons who are opted out, and returns how many were taken
// (those dropped for consent included: what a person has said is not told to
// whoever holds a token).
func (s *server) commit(r *http.Request, t *target, p *event.Parsed, chosen func(int) bool) (int, error) {
	ctx, now := r.Context(), time.Now()
	optIn := t.Consent.ForRequest(r.Header) == consent.Denied
	mine := func(i int) bool { return chosen(i) && !p.Refused(i) }
	n := len(p.Tokens)
	t.attribute(ctx, p, mine, now)
	hints, err := s.intake.hints(ctx, t, n, func(i int) string {
		if !mine(i) {
			return ""
		}
		id, _ := ownerOf(p, i)
		return id
	})
	if err != nil {
		return 0, err
	}
	said := consentsIn(p, mine, hints)
	freed := refuseFull(ctx, t, p, mine, hints, now)
	keep := make([]int, 0, n)
	taken := 0
	for i := range n {
		if !mine(i) {
			continue
		}
		if taken++; passes(p, i, hints) {
			keep = append(keep, i)
		}
	}
	if dropped := taken - len(keep); dropped > 0 {
		logDrop(ctx, t, dropped)
	}
	err = s.group.Commit(ctx, t.project, len(keep), func(payload []byte, k int) []byte {
		if i := keep[k]; i < len(p.Events) {
			p.Events[i].OptIn = optIn
			return event.AppendEvent(payload, &p.Events[i])
		} else {
			p.Ops[i].OptIn = optIn
			return event.AppendOp(payload, &p.Ops[i])
		}
	})
	if err != nil {
		return taken, err
	}
	for _, e := range said {
		s.intake.heed(ctx, t, e.DistinctID, person.EventConsent(e.Name), e.Speaker)
	}
	for _, id := range freed {
		s.intake.forgetFull(t, id)
	}
	return taken, nil
}

// passes reports whether an event or operation goes to store: not if its person is opted
// out, unless it says something of consent, or deletes the profile, which needs none.
func passes(p *event.Parsed, i int, hints map[string]hint) bool {
	if i < len(p.Events) {
		e := &p.Events[i]
		return !hints[e.DistinctID].denied || person.EventConsent(e.Name) != ""
	}
	return !hints[p.Ops[i].DistinctID].denied || p.Ops[i].Name == "$delete"
}

// consentsIn finds the events that say something of consent, those that deny it last: of
// what is said at one time that stands. What comes with a grant passes, since store is
// going to keep it, unless a key has denied it.
func consentsIn(p *event.Parsed, mine func(int) bool, hints map[string]hint) (said []*event.Event) {
	var denials []*event.Event
	for i := range p.Events {
		e := &p.Events[i]
		state := person.EventConsent(e.Name)
		if state == "" || e.DistinctID == "" || !mine(i) {
			continue
		}
		if state == consent.Denied {
			denials = append(denials, e)
			continue
		}
		said = append(said, e)
		if h := hints[e.DistinctID]; h.denied && (!h.locked || e.Speaker == event.ByKey) {
			h.denied = false
			hints[e.DistinctID] = h
		}
	}
	return append(said, denials...)
}

// refuseFull refuses operations for which a profile has no room. It returns the
// identities of whose profiles something is taken away, so that there may be room again.
func refuseFull(ctx context.Context, t *target, p *event.Parsed, mine func(int) bool, hints map[string]hint, now time.Time) (freed []string) {
	refused := 0
	for i := range p.Ops {
		if !mine(i) {
			continue
		}
		o := &p.Ops[i]
		h := hints[o.DistinctID]
		switch bytes := growth(o); {
		case bytes == 0 && !h.until.IsZero():
			h.room, h.until = 0, time.Time{}
			hints[o.DistinctID] = h
			freed = append(freed, o.DistinctID)
		case bytes > profile.MaxBytes || !h.fits(bytes, now):
			p.Refuse(i, "", "the profile is full (512 KiB): $unset something first")
			refused++
		}
	}
	if refused > 0 {
		slog.InfoContext(ctx, "refused for want of room in profiles", "project", t.project, "count", refused)
	}
	return freed
}

// growth is by how many bytes an operation may make a profile longer at most.
func growth(o *event.Op) int {
	switch o.Name {
	case "$unset", "$remove", "$delete":
		return 0
	}
	return len(o.Value) - len("{}")
}

// logDrop counts, for a log-based metric; it says nothing of who.
func logDrop(ctx context.Context, t *target, n int) {
	slog.InfoContext(ctx, "dropped for consent", "project", t.project, "count", n)
}
