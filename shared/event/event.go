// Package event owns what SDKs send: the model of an event and of a profile
// operation, the rules for both, and the form in which they travel and rest.
//
//	request body ─Parser─▶ Event, Op ─Append─▶ payload ─Pack─▶ Pub/Sub message ─▶ store
//	                                              chunk of a person's day ◀─Pack─┘
//
// The wire contract is Mixpanel's (https://docs.mixpanel.com/reference/track-event,
// https://docs.mixpanel.com/reference/import-events), because so many SDKs speak it.
package event

import (
	"time"
)

// Limits of one request and one event, from the same pages.
const (
	MaxBody       = 10_000_000 // bytes of a request, uncompressed
	MaxItems      = 2_000      // events or operations a request
	MaxBytes      = 1_000_000  // bytes of one event; its chunk must fit Firestore's 1 MiB
	MaxProperties = 254        // of an event, or of an object within it
	MaxArray      = 254        // items of an array
	MaxDepth      = 3          // objects and arrays within one property
	MaxString     = 255        // characters; longer strings are cut
	MaxInsertID   = 36         // bytes
)

// What AppendExport adds to an event does not count towards its limits: an event that was
// within them when it was sent, or amended, is so when it is sent back.
const (
	MaxAdded   = 4 << 10 // bytes of all but the properties, at most
	maxMembers = 6       // names with a meaning, the token among them
)

// Limits on the time of an event.
const (
	MaxAge   = 5 * 24 * time.Hour // at /track; /import takes any time from Earliest
	MaxAhead = time.Hour
)

// Earliest is the first time that an event may have.
var Earliest = Millis(time.Date(1971, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli())

// Millis is a time in milliseconds since 1970, UTC.
type Millis int64

// Time converts to a time.Time in UTC.
func (m Millis) Time() time.Time { return time.UnixMilli(int64(m)).UTC() }

// Day is the UTC day, as 2006-01-02.
func (m Millis) Day() string { return m.Time().Format(time.DateOnly) }

// Now is the present in the precision that is stored.
func Now() Millis { return Millis(time.Now().UnixMilli()) }

// Event is one event of one person.
type Event struct {
	Name       string
	DistinctID string // empty: the event is nobody's
	InsertID   string
	Time       Millis
	Received   Millis  // when ingest took it; fences and the latest duplicate are judged by it
	Properties string  // a JSON object, without the fields above and without the token
	OptIn      bool    // an unset consent meant denied when the event came in
	Speaker    Speaker // who sent it
	Amended    int64   // time of the newest amendment that has been applied, in microseconds since 1970 (package amend)
}

// Key identifies an event: of those that share one, the latest received wins.
type Key struct {
	Name, DistinctID, InsertID string
	Time                       Millis
}

// Key is the event's deduplication key.
func (e *Event) Key() Key { return Key{e.Name, e.DistinctID, e.InsertID, e.Time} }

// Op is one operation on a person's profile. Received, Request and Seq order the
// operations of a person, and the latter two tell one that is delivered twice.
type Op struct {
	DistinctID string
	Name       string // "$set", "$unset", …
	Value      string // JSON
	Received   Millis
	Request    string // unique to the request that brought it
	Seq        int    // position in that request
	OptIn      bool   // as in Event
	Speaker    Speaker
}
