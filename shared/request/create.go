package request

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
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
	answer, err := n.store(ctx, db, p, r, parts)
	if err != nil {
		return nil, err
	}
	if answer == r {
		watch(ctx, db, r)
	}
	return answer, nil
}

// storeTries is how often a request is tried to be stored while others make the same.
const storeTries = 10

// store stores a request, unless the same request made one before that still counts. Who
// has come back since is looked for before the transaction, which must not hold the
// documents of all persons.
func (n *New) store(ctx context.Context, db *firestore.Client, p project.Project, r *Request, parts []Part) (*Request, error) {
	same := db.Doc("projects/" + p.ID + "/samerequests/" + n.hash(p.Secret, r))
	for range storeTries {
		last, before, err := n.before(ctx, db, p.ID, same, parts)
		if err != nil {
			return nil, err
		}
		if before != nil {
			return before, nil
		}
		stored, err := create(ctx, db, r, parts, same, last)
		if err != nil || stored {
			return r, err
		}
	}
	return nil, fault.New(fault.Unavailable, "the same request is being made without pause")
}

// create stores a request, unless another was made meanwhile by the same request: last is
// the id of the one before.
func create(ctx context.Context, db *firestore.Client, r *Request, parts []Part, same *firestore.DocumentRef, last string) (stored bool, err error) {
	err = db.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		snap, err := tx.Get(same)
		if err != nil && status.Code(err) != codes.NotFound {
			return err
		}
		to, err := decodePointer(snap)
		if stored = err == nil && to == last; !stored {
			return err
		}
		if err := tx.Create(Ref(db, r.Project, r.ID), r); err != nil {
			return err
		}
		for i := range parts {
			if err := tx.Create(PartRef(db, r.Project, r.ID, i), parts[i]); err != nil {
				return err
			}
		}
		return tx.Set(same, pointer{r.ID})
	})
	if status.Code(err) == codes.AlreadyExists {
		return false, fault.Wrap(fault.Conflict, err, "another request has this id")
	}
	if err != nil {
		return false, fmt.Errorf("store request: %w", err)
	}
	return stored, nil
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
