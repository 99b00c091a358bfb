package request

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"cloud.google.com/go/firestore"
	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/project"
)

// MaxPersons bounds the distinct_ids of one request (as Mixpanel's GDPR API v3 does).
const MaxPersons = 2000

// FreshFor is how long a finished export answers the same request again; a caller
// who wants a new one sooner sends another Idempotency-Key.
const FreshFor = 24 * time.Hour

// RetryFor is how long any other finished request is taken for what a repetition
// means: a retry, and not a new wish.
const RetryFor = time.Minute

// New is a request to be created.
type New struct {
	Kind    Kind
	Origin  Origin
	Actor   string   // hash of the API key
	IDs     []string // distinct_ids; repeated ones count once
	Find    []Identity
	Params  any    // becomes JSON
	Private any    // becomes JSON, unless nil
	Reason  string // free text
	Extra   any    // becomes JSON, unless nil
	Whole   bool   // of a deletion: all of the persons, not single properties or events
	ID      string // a UUID that the origin brings; empty: a new one
	// IdempotencyKey tells two requests apart that are otherwise the same; empty
	// for none (Idempotency-Key of the request).
	IdempotencyKey string
}

// CheckIDs says what is wrong with a list of distinct_ids, as an Invalid fault.
func CheckIDs(field string, ids []string) error {
	if len(ids) == 0 {
		return fault.InField(field, "must name at least one person")
	}
	if len(ids) > MaxPersons {
		return fault.InField(field, "names %d persons; at most %d are taken in one request", len(ids), MaxPersons)
	}
	for i, id := range ids {
		name := fmt.Sprintf("%s[%d]", field, i)
		switch {
		case id == "":
			return fault.InField(name, "must not be empty")
		case !utf8.ValidString(id):
			return fault.InField(name, "not valid UTF-8")
		case utf8.RuneCountInString(id) > event.MaxString:
			return fault.InField(name, "is longer than %d characters", event.MaxString)
		}
	}
	return nil
}

// ValidID reports whether a text can be a request's id: a UUID in lower case.
func ValidID(id string) bool {
	u, err := uuid.Parse(id)
	return err == nil && u.String() == id
}

// pointer finds the request that the same request made before.
// projects/{project}/samerequests/{hash}
type pointer struct {
	Request string `firestore:"request"`
}

// Create stores a request with its parts and returns it, or the one that the same
// request made before: while that one is on its way, or if it has the same
// IdempotencyKey; for an export, as long as it is fresh; for the deletion of whole
// persons, as long as none of them has come back; for the rest, for RetryFor.
// The caller publishes it (Publisher.Publish), also if it is not new.
func Create(ctx context.Context, db *firestore.Client, p project.Project, n New) (*Request, error) {
	slices.Sort(n.IDs)
	n.IDs = slices.Compact(n.IDs)
	params, err := json.Marshal(n.Params)
	if err != nil {
		return nil, fmt.Errorf("write a request's parameters: %w", err)
	}
	r := &Request{
		ID: n.ID, Project: p.ID, Kind: n.Kind, Status: Queued, Origin: n.Origin, Actor: n.Actor, Created: now(),
		Persons: len(n.IDs), Params: string(params), Reason: n.Reason, Position: "{}",
	}
	if r.ID == "" {
		r.ID = uuid.NewString()
	}
	if r.Private, err = optional(n.Private != nil, n.Private); err != nil {
		return nil, err
	}
	if r.Find, err = optional(len(n.Find) > 0, n.Find); err != nil {
		return nil, err
	}
	if r.Extra, err = optional(n.Extra != nil, n.Extra); err != nil {
		return nil, err
	}
	parts := split(p, n.IDs)
	r.Parts = len(parts)
	same := db.Doc("projects/" + p.ID + "/samerequests/" + n.hash(p.Secret, r))
	var answer *Request
	err = db.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		var err error
		if answer, err = n.before(tx, db, p.ID, same, parts); err != nil || answer != nil {
			return err
		}
		answer = r
		if err := tx.Create(Ref(db, p.ID, r.ID), r); err != nil {
			return err
		}
		for i := range parts {
			if err := tx.Create(PartRef(db, p.ID, r.ID, i), parts[i]); err != nil {
				return err
			}
		}
		return tx.Set(same, pointer{r.ID})
	})
	if status.Code(err) == codes.AlreadyExists {
		return nil, fault.Wrap(fault.Conflict, err, "another request has this id")
	}
	if err != nil {
		return nil, fmt.Errorf("store request: %w", err)
	}
	if answer == r {
		watch(ctx, db, r)
	}
	return answer, nil
}

func optional(given bool, v any) (string, error) {
	if !given {
		return "", nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("write a request: %w", err)
	}
	return string(b), nil
}

// split makes the parts.
func split(p project.Project, ids []string) []Part {
	var parts []Part
	for some := range slices.Chunk(ids, PartSize) {
		part := Part{Project: p.ID, IDs: some}
		for _, id := range some {
			part.Keys = append(part.Keys, person.MakeKey(p.Secret, id))
		}
		parts = append(parts, part)
	}
	return parts
}

// hash is the same for the same request; it is keyed, since it is made of
// distinct_ids.
func (n *New) hash(secret []byte, r *Request) string {
	mac := hmac.New(sha256.New, secret)
	// Encoding cannot fail: these are strings.
	_ = json.NewEncoder(mac).Encode([]any{n.Kind, n.Origin, n.ID, n.IdempotencyKey, n.IDs, n.Find, r.Params, r.Private, r.Reason})
	return hex.EncodeToString(mac.Sum(nil))
}

// before finds what the same request made before; nil if that counts no more.
func (n *New) before(tx *firestore.Transaction, db *firestore.Client, projectID string, same *firestore.DocumentRef, parts []Part) (*Request, error) {
	snap, err := tx.Get(same)
	if status.Code(err) == codes.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var to pointer
	if err := snap.DataTo(&to); err != nil {
		return nil, err
	}
	if snap, err = tx.Get(Ref(db, projectID, to.Request)); status.Code(err) == codes.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	r, err := decode(snap)
	if err != nil {
		return nil, err
	}
	counts, err := n.counts(tx, db, r, parts)
	if err != nil || !counts {
		return nil, err
	}
	return r, nil
}

// counts reports whether a request that was the same is still an answer to this one.
func (n *New) counts(tx *firestore.Transaction, db *firestore.Client, r *Request, parts []Part) (bool, error) {
	age := time.Since(r.Finished)
	switch {
	case !r.Status.Final() || n.IdempotencyKey != "" || n.ID != "":
		return true, nil
	case r.Status != Done || r.Void:
		return false, nil
	case n.Kind == Export:
		return age < FreshFor, nil
	case n.Whole && len(n.IDs) > 0:
		back, err := cameBack(tx, db, r.Project, parts)
		return !back, err
	}
	return age < RetryFor, nil
}

// cameBack reports whether anything was received or noted of the persons since.
func cameBack(tx *firestore.Transaction, db *firestore.Client, projectID string, parts []Part) (bool, error) {
	var refs []*firestore.DocumentRef
	for _, p := range parts {
		for _, k := range p.Keys {
			refs = append(refs, person.Ref(db, projectID, k))
		}
	}
	docs, err := tx.GetAll(refs)
	if err != nil {
		return false, err
	}
	for _, d := range docs {
		var doc person.Doc
		if !d.Exists() {
			continue
		}
		if err := d.DataTo(&doc); err != nil {
			return false, err
		}
		said := !doc.Consent.At.IsZero() && doc.AfterFence(doc.Consent.At) // a denial that an erasure leaves is older
		if doc.DistinctID != "" || doc.Restriction != nil || said {
			return true, nil
		}
	}
	return false, nil
}
