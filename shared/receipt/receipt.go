// Package receipt owns the proof that an erasure has finished: what was found,
// deleted and counted again, signed.
//
//	delete-worker ─Receipt─▶ Signer (Cloud KMS, or a key file) ─▶ JWS ─▶ the request's document
//	/.well-known/jwks.json ─▶ public key ─┐
//	JWS ──────────────────────────────────┴─▶ Verify ─▶ Receipt (offline: scripts/verify-receipt)
//
// A receipt is a JSON Web Signature in compact form (RFC 7515) by ES256 (RFC 7518,
// section 3.4). It names identities by their keys: nothing in it is personal to who
// does not have the project's secret.
package receipt

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
)

// Type is the media type of a receipt's payload, in the header of its JWS.
const Type = "lethe-erasure-receipt+jwt"

// EvidenceType is that of the bundle for an auditor (GET /v1/evidence), which is signed
// with the same key.
const EvidenceType = "lethe-evidence+jwt"

// ErrType says that a JWS is of another type than is wanted.
var ErrType = errors.New("not a receipt: it is of another type")

// Receipt is what is signed.
type Receipt struct {
	Issuer      string    `json:"iss"` // base URL of the system that erased
	IssuedAt    int64     `json:"iat"` // seconds since 1970
	Request     string    `json:"request"`
	Project     string    `json:"project"`
	Kind        string    `json:"kind"`                 // KindPersons, KindProperties, KindEvents
	Properties  []string  `json:"properties,omitempty"` // names of those erased, of KindProperties
	Events      []string  `json:"events,omitempty"`     // names of those erased, of KindEvents
	Suppressed  bool      `json:"suppressed,omitempty"` // consent was withdrawn with it
	RequestedAt time.Time `json:"requested_at"`
	FinishedAt  time.Time `json:"finished_at"`
	Subjects    []Subject `json:"subjects"`
	Stores      Stores    `json:"stores"`
	// BackupsExpireAt is when the last backup that may hold any of it is deleted.
	BackupsExpireAt time.Time `json:"backups_expire_at"`
}

// Kinds of erasure.
const (
	KindPersons    = "persons"
	KindProperties = "properties"
	KindEvents     = "events"
)

// Scopes of a subject.
const (
	ScopePerson   = "person"   // the person whose the identity was: all identities that were linked
	ScopeIdentity = "identity" // the identity alone
)

// Subject is an identity (a distinct_id) that was asked for.
type Subject struct {
	Identity person.Key `json:"identity"`
	Person   person.Key `json:"person"`         // the identity to which the links of the person led
	Scope    string     `json:"scope"`          // ScopePerson, ScopeIdentity
	Fence    time.Time  `json:"fence"`          // all received at or before it is gone, and cannot come back
	Link     *Link      `json:"link,omitempty"` // who has said that the identity is the person's
	// Identities are the person's others, erased with it. Of several subjects of one
	// person, they stand with the first.
	Identities []Identity `json:"identities"`
}

// Identity is one that was erased with another.
type Identity struct {
	Identity person.Key `json:"identity"`
	Fence    time.Time  `json:"fence"`
	Link     *Link      `json:"link,omitempty"` // absent: the others' links led to it
}

// Link says who has made an identity a person's.
type Link struct {
	To       person.Key `json:"to"`
	By       string     `json:"by"`              // token, proof or key
	Event    string     `json:"event,omitempty"` // the name of the event that said it; absent: the API
	Received time.Time  `json:"received"`
}

// NewLink is a link as a receipt shows it; nil: there is none.
func NewLink(l *person.Link) *Link {
	if l == nil || l.To == "" {
		return nil
	}
	return &Link{To: l.To, By: event.ParseSpeaker(l.By).String(), Event: l.Event, Received: l.Received.UTC()}
}

// Stores counts for each place that an erasure reaches.
type Stores struct {
	Events      Count `json:"events"`       // events of the persons
	Profiles    Count `json:"profiles"`     // persons' documents with a name or a profile
	Operations  Count `json:"operations"`   // profile operations
	Consents    Count `json:"consents"`     // entries of consent histories
	Archives    Count `json:"archives"`     // objects of exports that held any of the persons
	Requests    Count `json:"requests"`     // distinct_ids in data-subject requests
	DeadLetters Count `json:"dead_letters"` // events and operations in messages that could not be stored
	// Unreadable are messages among the dead letters that nobody can decode; the
	// queue drops them after seven days.
	Unreadable int `json:"unreadable_dead_letters"`
}

// Count is what was found in a place.
type Count struct {
	Found     int `json:"found"`
	Deleted   int `json:"deleted"`
	Changed   int `json:"changed,omitempty"` // kept without the erased properties
	Remaining int `json:"remaining"`         // counted again afterwards
}

// Del counts something that was found and deleted.
func (c *Count) Del(n int) { c.Found += n; c.Deleted += n }

// Sign makes the JWS of a receipt.
func Sign(r *Receipt, signer *Signer) (string, error) { return signer.Sign(Type, r) }

// Sign makes the JWS, in compact form, of anything's JSON; the type in its header keeps
// it from being taken for something else.
func (s *Signer) Sign(typ string, what any) (string, error) {
	payload, err := json.Marshal(what)
	if err != nil {
		return "", fmt.Errorf("write what is signed: %w", err)
	}
	opts := (&jose.SignerOptions{}).WithType(jose.ContentType(typ))
	sign, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: s.opaque}, opts)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	jws, err := sign.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return jws.CompactSerialize()
}

// Verify checks a JWS against public keys and returns the receipt.
func Verify(jws string, keys *jose.JSONWebKeySet) (*Receipt, error) {
	r := &Receipt{}
	if err := Open(jws, Type, keys, r); err != nil {
		return nil, err
	}
	return r, nil
}

// Open checks a JWS of a type against public keys and reads what was signed. Of another
// type it is ErrType.
func Open(jws, typ string, keys *jose.JSONWebKeySet, into any) error {
	sig, err := jose.ParseSignedCompact(jws, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return fmt.Errorf("not a receipt: %w", err)
	}
	head := sig.Signatures[0].Protected
	if got, _ := head.ExtraHeaders[jose.HeaderType].(string); got != typ {
		return ErrType
	}
	known := keys.Key(head.KeyID)
	if len(known) == 0 {
		return errors.New("no key is known by which the receipt says that it is signed")
	}
	payload, err := sig.Verify(known[0].Key)
	if err != nil {
		return errors.New("the signature does not fit: the receipt has been altered, or another key has signed it")
	}
	if err := json.Unmarshal(payload, into); err != nil {
		return fmt.Errorf("the receipt cannot be read: %w", err)
	}
	return nil
}
