// Package person owns what Lethe knows of one data subject beside the events: the
// key that stands for a distinct_id, the erasure fence, consent and the profile.
//
//	(default) projects/{project}/people/{person}            Doc
//	(default) projects/{project}/people/{person}/chunks/…   package chunk
//	(default) projects/{project}/people/{person}/ops/…      profile operations, package profile
//	(default) projects/{project}/people/{person}/consents/… Consent: the history
//	edge      projects/{project}/optouts/{person}           exists: do not take this person's events
package person

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/amend"
	"github.com/lethe-analytics/lethe/shared/consent"
)

// Key stands for a person in paths, logs and whatever outlives an erasure.
type Key string

var keyEncoding = base32.HexEncoding.WithPadding(base32.NoPadding)

// MakeKey derives a person's key: HMAC-SHA-256 (RFC 2104) of the distinct_id
// under the project's secret, cut to 160 bits (RFC 2104, section 5, allows half
// the hash), in base32 so that no key can take a form that Firestore reserves.
func MakeKey(secret []byte, distinctID string) Key {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(distinctID))
	var sum [sha256.Size]byte
	return Key(keyEncoding.EncodeToString(mac.Sum(sum[:0])[:20]))
}

// Doc is the document of a person. It is written on first sight, on profile
// operations and on requests, never once a batch, so that the transactions of
// a busy person only share a read.
type Doc struct {
	DistinctID string    `firestore:"distinct_id,omitempty"` // gone after an erasure
	FirstSeen  time.Time `firestore:"first_seen,omitempty"`
	ErasedAt   time.Time `firestore:"erased_at,omitempty"`  // the fence: nothing received at or before it is stored
	Consent    Consent   `firestore:"consent,omitempty"`    //
	Profile    string    `firestore:"profile,omitempty"`    // JSON object of the current values, folded from ops (package profile)
	ProfileAt  time.Time `firestore:"profile_at,omitempty"` // receipt of the newest operation in Profile

	// Restriction, while set, keeps the person out of every report (GDPR Art. 18).
	Restriction *Restriction `firestore:"restriction,omitempty"`
	// Hold, while set, keeps the person's data from the purge (package retention). It
	// outlives an erasure, which it does not stop.
	Hold *Hold `firestore:"hold,omitempty"`
	// Amendments change what was received at or before their time, stored already
	// or still on its way.
	Amendments []amend.Amendment `firestore:"amendments,omitempty"`
	// Head is the person as whom this one counts, if several distinct_ids are one
	// person; a head has none, and lists the others in Linked.
	Head   Key   `firestore:"head,omitempty"`
	Linked []Key `firestore:"linked,omitempty"`
}

// Consent is the person's current consent; its history stands in the consents
// collection below the person.
type Consent struct {
	State         consent.State            `firestore:"state,omitempty"`
	Purposes      map[string]consent.State `firestore:"purposes,omitempty"`
	Basis         string                   `firestore:"basis,omitempty"` // lawful basis (GDPR Art. 6(1)): consent, contract, legal_obligation, vital_interests, public_task, legitimate_interests
	NoticeVersion string                   `firestore:"notice_version,omitempty"`
	Source        string                   `firestore:"source,omitempty"` // where it was said
	At            time.Time                `firestore:"at,omitempty"`     // receipt; the newest stands
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

// ConsentsCollection is the consent history, below the person; its documents are
// Consents.
const ConsentsCollection = "consents"

// Keeps reports whether something received at that time may be stored: it
// must have come after the fence, and consent must allow it.
func (d *Doc) Keeps(received time.Time, unsetMeans consent.State) bool {
	return d.AfterFence(received) && consent.Allows(d.Consent.State, unsetMeans)
}

// AfterFence reports whether something was received after the last erasure.
func (d *Doc) AfterFence(received time.Time) bool {
	return d.ErasedAt.IsZero() || received.After(d.ErasedAt)
}

// Ref is the person's document in the (default) database.
func Ref(db *firestore.Client, project string, key Key) *firestore.DocumentRef {
	return db.Doc("projects/" + project + "/people/" + string(key))
}

// OptOutRef is the person's opt-out in the edge database.
func OptOutRef(edge *firestore.Client, project string, key Key) *firestore.DocumentRef {
	return edge.Doc("projects/" + project + "/optouts/" + string(key))
}
