// Package person owns who is who in a project, and what Lethe knows of a data subject
// beside the events.
//
// An identity is one distinct_id. A person is a data subject: one identity, or several
// that links have joined. An identity that nobody has linked is its own person, in one
// document. A link stands in the document of the identity that it joins, so that no
// document grows with the identities of a person, and none is written by all of them.
//
//	(default) projects/{project}/people/{identity}            Doc
//	(default) projects/{project}/people/{identity}/chunks/…   package chunk
//	(default) projects/{project}/people/{identity}/ops/…      profile operations, package profile
//	(default) projects/{project}/people/{identity}/consents/… Consent: what was said under this id
//	edge      projects/{project}/optouts/{identity}           OptOut: do not take its events
//
//	device ─link.to─▶ user ─link.to─▶ user, as a key has merged them     (the last is the person)
//
// Fences and amendments are an identity's own. Consent, profile, restriction and hold
// stand once, in the document of the person.
package person

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/amend"
)

// Key stands for an identity in paths, logs and whatever outlives an erasure.
type Key string

var keyEncoding = base32.HexEncoding.WithPadding(base32.NoPadding)

// keyLength is that of every key.
const keyLength = 32

// MakeKey derives an identity's key: HMAC-SHA-256 (RFC 2104) of the distinct_id
// under the project's secret, cut to 160 bits (RFC 2104, section 5, allows half
// the hash), in base32 so that no key can take a form that Firestore reserves.
func MakeKey(secret []byte, distinctID string) Key {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(distinctID))
	var sum [sha256.Size]byte
	return Key(keyEncoding.EncodeToString(mac.Sum(sum[:0])[:20]))
}

// Doc is the document of an identity, and of the person if it is one. It is written on
// first sight, on profile operations and on requests, never once a batch, so that the
// transactions of a busy person only share a read.
type Doc struct {
	// Of the identity.

	DistinctID string    `firestore:"distinct_id,omitempty"` // gone after an erasure
	FirstSeen  time.Time `firestore:"first_seen,omitempty"`
	ErasedAt   time.Time `firestore:"erased_at,omitempty"` // the fence: nothing received at or before it is stored
	// Amendments change what was received at or before their time, stored already
	// or still on its way.
	Amendments []amend.Amendment `firestore:"amendments,omitempty"`
	// Link says whose the identity is; nil: nobody has said so.
	Link *Link `firestore:"link,omitempty"`
	// Identified is why the identity is known to be a user's, whom no token joins to
	// anybody; empty: nothing says so.
	Identified string `firestore:"identified,omitempty"`
	// Joined, Operates and Spoke say that there may be something to look for: identities
	// whose links lead here, profile operations, and statements of consent.
	Joined   bool `firestore:"joined,omitempty"`
	Operates bool `firestore:"operates,omitempty"`
	Spoke    bool `firestore:"spoke,omitempty"`
	// Stale says that operations have changed since the person's profile was folded; each
	// change has a text of its own.
	Stale string `firestore:"stale,omitempty"`
	// NoEffect are the statements that changed nothing, by reason: hashes that tell them
	// apart, the first MaxNoEffect of each.
	NoEffect map[string][]string `firestore:"no_effect,omitempty"`

	// Height is how many links may lead here in a row, where it is more than one.
	Height int `firestore:"height,omitempty"`
	// Pending is what the last change of the link leaves to be done.
	Pending *Pending `firestore:"pending,omitempty"`

	// Of the person.

	Consent   Consent   `firestore:"consent,omitempty"`    // that is in force
	Said      []Consent `firestore:"said,omitempty"`       // all that it follows from, the oldest first
	Profile   string    `firestore:"profile,omitempty"`    // JSON object of the current values, folded from ops (package profile)
	ProfileAt time.Time `firestore:"profile_at,omitempty"` // receipt of the newest operation in Profile
	Attested  string    `firestore:"attested,omitempty"`   // the same of the operations that keys have made: what the person may be found by
	NoRoom    int       `firestore:"no_room,omitempty"`    // operations without effect, since the profile was full (profile.MaxBytes)
	// Restriction, while set, keeps the person out of every report (GDPR Art. 18).
	Restriction *Restriction `firestore:"restriction,omitempty"`
	// Hold, while set, keeps the person's data from the purge (package retention). It
	// outlives an erasure, which it does not stop.
	Hold *Hold `firestore:"hold,omitempty"`
}

// Restriction says since when and why a person's data may only be kept.
type Restriction struct {
	Since  time.Time `firestore:"since"`
	Reason string    `firestore:"reason,omitempty"`
	Actor  string    `firestore:"actor"` // hash of the API key that asked
}

// Hold is a legal hold: data is kept beyond its retention.
type Hold struct {
	Since  time.Time `firestore:"since"`
	Reason string    `firestore:"reason,omitempty"`
	Actor  string    `firestore:"actor"` // hash of the API key that asked
}

// ConsentsCollection is the consent history, below the identity under which it was
// said; its documents are Consents.
const ConsentsCollection = "consents"

// AfterFence reports whether something was received after the last erasure.
func (d *Doc) AfterFence(received time.Time) bool {
	return d.ErasedAt.IsZero() || received.After(d.ErasedAt)
}

// Parent is the identity whose this one is for all rights; empty: it is a person.
func (d *Doc) Parent() Key {
	if d.Link == nil || d.Link.Provisional {
		return ""
	}
	return d.Link.To
}

// height is how many links lead here in a row.
func (d *Doc) height() int {
	if d.Joined {
		return max(d.Height, 1)
	}
	return 0
}

// Ref is the identity's document in the (default) database.
func Ref(db *firestore.Client, project string, key Key) *firestore.DocumentRef {
	return people(db, project).Doc(string(key))
}

func people(db *firestore.Client, project string) *firestore.CollectionRef {
	return db.Collection("projects/" + project + "/people")
}

// OptOutRef is the identity's opt-out in the edge database.
func OptOutRef(edge *firestore.Client, project string, key Key) *firestore.DocumentRef {
	return edge.Doc("projects/" + project + "/optouts/" + string(key))
}
