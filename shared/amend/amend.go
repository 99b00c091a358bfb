// Package amend owns changes to what has been received: the erasure of single
// properties or events, and rectification.
//
//	request ─Add─▶ Amendment on the person's document ─Compile─▶ Set ─▶ store: what is still on its way
//	                                                              └───▶ worker: what is stored, slice by slice
//
// Like the erasure fence, an amendment applies to all that was received at or
// before its time: an event in flight, redelivered or replayed from a dead letter
// cannot bring back what it took away.
//
// Amendments are applied in the order of their times, and to an event once: one
// that they changed is marked with the newest of them (event.Event.Amended), so
// that a change whose condition the next one makes true does not come again.
package amend

import (
	"slices"
	"time"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/fault"
)

// Amendment is one change. Exactly one of Events, Properties, Profile and Set is
// given, but for one that Without has left nothing to set.
type Amendment struct {
	At         time.Time `firestore:"at"`
	Request    string    `firestore:"request"`              // the request that asked for it
	Events     []string  `firestore:"events,omitempty"`     // drop events of these names
	Properties []string  `firestore:"properties,omitempty"` // drop these properties of every event and of the profile
	Profile    []string  `firestore:"profile,omitempty"`    // drop these properties of the profile alone
	Where      string    `firestore:"where,omitempty"`      // of the events that Set applies to (package where); empty: all
	Set        string    `firestore:"set,omitempty"`        // JSON object: properties and their new values
}

// Keep is how long an amendment stays on a person's document: longer than a
// message can live in a topic and, once parked and replayed, in a second one.
const Keep = 31 * 24 * time.Hour

// Limits of what stands on one person's document. That of new values bounds what a
// batch of many small events can grow to.
const (
	MaxLive = 50
	MaxText = 64 << 10 // bytes of names, conditions and new values
	MaxSet  = 8 << 10  // bytes of new values for events
)

// Trim drops the amendments that nothing on its way can be older than.
func Trim(as []Amendment, now time.Time) []Amendment {
	return slices.DeleteFunc(slices.Clone(as), func(a Amendment) bool { return now.Sub(a.At) > Keep })
}

// Add adds a request's amendments to those of a person, with one time that is later
// than that of all before, in whole milliseconds as events have it. Those that the
// request has added before stay as they are. What is over the limits is a Conflict.
func Add(as []Amendment, now time.Time, request string, more []Amendment) (all []Amendment, at time.Time, err error) {
	for _, a := range as {
		if a.Request == request {
			return as, a.At, nil
		}
	}
	all = Trim(as, now)
	at = now.UTC().Truncate(time.Millisecond)
	for _, a := range all {
		if !at.After(a.At) {
			at = a.At.UTC().Truncate(time.Millisecond).Add(time.Millisecond)
		}
	}
	for _, a := range more {
		a.At, a.Request = at, request
		all = append(all, a)
	}
	return all, at, Check(all)
}

// Without takes properties out of the new values that amendments set: what is to be
// erased must not stay in what was to correct it. An amendment stays though it has
// nothing left to set: by it, its request is known to have been here.
func Without(as []Amendment, names []string) ([]Amendment, error) {
	r, drop := newRewriter(), nameSet(names)
	as = slices.Clone(as)
	for i := range as {
		if as[i].Set == "" {
			continue
		}
		text, n, err := r.object(as[i].Set, drop, nil)
		if err != nil {
			return nil, err
		}
		if as[i].Set = text; n.after == 0 {
			as[i].Set, as[i].Where = "", ""
		}
	}
	return as, nil
}

// Check refuses, as a Conflict, what is over the limits.
func Check(as []Amendment) error {
	text, set := 0, 0
	for _, a := range as {
		text += len(a.Where) + len(a.Set)
		set += len(a.Set)
		for _, names := range [][]string{a.Events, a.Properties, a.Profile} {
			for _, n := range names {
				text += len(n)
			}
		}
	}
	if len(as) > MaxLive || text > MaxText || set > MaxSet {
		return fault.New(fault.Conflict, "too many changes on one person in a month: at most %d, of %d bytes, of which %d are new values for events, are kept",
			MaxLive, MaxText, MaxSet)
	}
	return nil
}

// Reach reports whether any of the amendments applies to what was received then.
func Reach(as []Amendment, received time.Time) bool {
	return slices.ContainsFunc(as, func(a Amendment) bool { return !received.After(a.At) })
}

// Reserved are the properties of an event that no amendment changes: they are its
// identity.
var Reserved = []string{"token", "time", "distinct_id", "$insert_id"}

// CheckSet refuses, as an Invalid fault of the named field, new values that no event
// can have. It returns them as CheckValues does.
func CheckSet(field, set string) (text string, names []string, err error) {
	if text, names, err = CheckValues(field, set); err != nil {
		return "", nil, err
	}
	for _, n := range names {
		if slices.Contains(Reserved, n) {
			return "", nil, fault.InField(field, "%s cannot be changed: it is part of what an event is known by", n)
		}
		if n == event.ProcessedName || n == event.RestName {
			return "", nil, fault.InField(field, "%s cannot be set: the server says it", n)
		}
	}
	return text, names, nil
}

// CheckValues refuses, as an Invalid fault of the named field, an object that breaks
// the limits of properties, by the rules of ingest. It returns the object as it will
// be written, and its names.
func CheckValues(field, object string) (text string, names []string, err error) {
	body := slices.Concat([]byte(`{"$distinct_id":"x","$set":`), []byte(object), []byte(`}`))
	parsed, err := event.ParseOps(body, event.Rules{})
	switch {
	case err != nil:
		return "", nil, fault.InField(field, "not valid JSON")
	case len(parsed.Failures) > 0:
		return "", nil, fault.InField(field, "%s", parsed.Failures[0].Message)
	case len(parsed.Ops) != 1: // cannot be
		return "", nil, fault.InField(field, "must be an object")
	}
	members, err := parseObject(parsed.Ops[0].Value)
	if err != nil {
		return "", nil, err
	}
	if len(members) == 0 {
		return "", nil, fault.InField(field, "must name at least one property")
	}
	for _, m := range members {
		names = append(names, m.name)
	}
	return parsed.Ops[0].Value, names, nil
}
