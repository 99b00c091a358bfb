package ingest

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/profile"
)

// hint is what is remembered of an identity: by it ingest drops early what store would
// drop, and refuses what would have no effect. Store has the last word.
type hint struct {
	denied bool
	locked bool      // by a key, whose denial no token undoes
	room   int       // bytes that the profile has room for, until then
	until  time.Time // zero: the profile is not known to be full
}

// any reports whether there is anything to be heeded.
func (h hint) any() bool { return h != hint{} }

// fits reports whether the profile may have room for so many bytes more.
func (h hint) fits(bytes int, now time.Time) bool { return bytes <= h.room || !now.Before(h.until) }

func newHint(o *person.OptOut) hint {
	h := hint{denied: o.State == consent.Denied, locked: o.Locked()}
	if o.Filled != nil {
		h.room, h.until = max(profile.MaxBytes-o.Filled.Bytes, 0), o.Filled.At.Add(person.FilledFor)
	}
	return h
}

// personID names an identity in the cache, which lives in memory only.
type personID struct{ project, distinctID string }

// hints finds what is to be heeded of identities, which may repeat; an empty id is none.
func (in *intake) hints(ctx context.Context, t *target, n int, distinctID func(int) string) (map[string]hint, error) {
	in.persons.age(time.Now())
	var found map[string]hint // made when there is something to be found: mostly there is nothing
	var unknown map[string]bool
	last := ""
	for i := range n {
		id := distinctID(i)
		if id == last || id == "" {
			continue
		}
		last = id
		h, known := in.persons.get(personID{t.project, id})
		switch {
		case !known:
			unknown = with(unknown, id, true)
		case h.any():
			found = with(found, id, h)
		}
	}
	if len(unknown) == 0 {
		return found, nil
	}
	ids := make([]string, 0, len(unknown))
	for id := range unknown {
		ids = append(ids, id)
	}
	all, err := in.optOuts(ctx, t, ids)
	if err != nil {
		return nil, err
	}
	for i := range all {
		h := newHint(&all[i])
		// The id is cut out of a request's text, which the cache must not keep alive.
		in.persons.put(personID{t.project, strings.Clone(ids[i])}, h)
		if h.any() {
			found = with(found, ids[i], h)
		}
	}
	return found, nil
}

func with[V any](m map[string]V, id string, v V) map[string]V {
	if m == nil {
		m = map[string]V{}
	}
	m[id] = v
	return m
}

// optOuts reads what the edge database says of identities.
func (in *intake) optOuts(ctx context.Context, t *target, ids []string) ([]person.OptOut, error) {
	refs := make([]*firestore.DocumentRef, len(ids))
	for i, id := range ids {
		refs[i] = person.OptOutRef(in.edge, t.project, person.MakeKey(t.Secret, id))
	}
	ctx, cancel := context.WithTimeout(ctx, in.timeout)
	defer cancel()
	docs, err := in.edge.GetAll(ctx, refs)
	if err != nil {
		return nil, fmt.Errorf("read opt-outs: %w", err)
	}
	all := make([]person.OptOut, len(docs))
	for i, doc := range docs {
		if all[i], err = person.ReadOptOut(doc); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// heed remembers what has just been said of an identity's consent, before it is stored.
// What a key has denied, it does not let a token undo; so it must know of that.
func (in *intake) heed(ctx context.Context, t *target, distinctID string, state consent.State, by event.Speaker) {
	if _, err := in.hints(ctx, t, 1, func(int) string { return distinctID }); err != nil {
		slog.WarnContext(ctx, "a consent is heeded only once it is stored", "project", t.project, "error", err)
		return
	}
	key := personID{t.project, strings.Clone(distinctID)}
	h, _ := in.persons.get(key)
	switch {
	case by == event.ByKey:
		h.locked = state == consent.Denied
	case h.locked:
		return
	}
	h.denied = state == consent.Denied
	in.persons.put(key, h)
}

// forgetFull lets the next operations of an identity pass: room is being made.
func (in *intake) forgetFull(t *target, distinctID string) {
	key := personID{t.project, strings.Clone(distinctID)}
	if h, known := in.persons.get(key); known {
		h.room, h.until = 0, time.Time{}
		in.persons.put(key, h)
	}
}
