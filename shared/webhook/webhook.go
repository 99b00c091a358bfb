// Package webhook tells customers' systems what happens in their project, in the form
// of Standard Webhooks (https://www.standardwebhooks.com).
//
//	Send ─▶ projects/{project}/deliveries/{event}.{endpoint}   Delivery: one event for one endpoint
//	     ─▶ topic webhooks ─▶ Worker ─▶ POST, signed ─ 2xx ──▶ delivered
//	                             ▲                   ├ 410 ──▶ failed, endpoint disabled
//	    every minute: what is ───┘                   └ else ─▶ again after a backoff, for 24 hours
//	    due again
//	projects/{project}/webhooks/{endpoint}                      Endpoint: URL, event types, secret
//
// An event comes at least once, always with the same webhook-id. What it says holds no
// personal data: it names a request or an incident, which the customer then reads.
//
// The secret of an endpoint is stored as it is: HMAC signs with the secret itself, and a
// hash of it could not. It is of no use for anything but to pretend to that endpoint
// that a message is ours; its fields are exempt from indexes.
package webhook

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"cloud.google.com/go/firestore"
	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/outbound"
)

// The types of events.
const (
	RequestDone              = "request.done"
	RequestFailed            = "request.failed"
	RequestNeedsConfirmation = "request.needs_confirmation"
	GrantCreated             = "grant.created"
	GrantApproved            = "grant.approved"
	GrantEnded               = "grant.ended"
	IncidentOpened           = "incident.opened"
	IncidentUpdated          = "incident.updated"
	IncidentReminder         = "incident.reminder"
	IncidentClosed           = "incident.closed"
	typeTest                 = "test" // sent by Test alone, whatever an endpoint takes
)

// Types lists those that an endpoint may take.
var Types = []string{RequestDone, RequestFailed, RequestNeedsConfirmation, GrantCreated, GrantApproved, GrantEnded,
	IncidentOpened, IncidentUpdated, IncidentReminder, IncidentClosed}

// MaxEndpoints bounds the endpoints of a project.
const MaxEndpoints = 10

// RotateFor is how long the old secret of an endpoint signs beside the new one.
const RotateFor = 24 * time.Hour

const collection = "webhooks"

// Endpoint is where a project wants its events.
type Endpoint struct {
	ID        string    `firestore:"-"`
	URL       string    `firestore:"url"`
	Events    []string  `firestore:"events"`
	Secret    string    `firestore:"secret"` // whsec_…
	OldSecret string    `firestore:"old_secret,omitempty"`
	OldUntil  time.Time `firestore:"old_until,omitempty"` // until when the old one signs too
	Created   time.Time `firestore:"created"`
	Disabled  time.Time `firestore:"disabled,omitempty"` // it answered 410
}

// Takes reports whether events of a type are sent to it.
func (e *Endpoint) Takes(eventType string) bool {
	return e.Disabled.IsZero() && slices.Contains(e.Events, eventType)
}

// ref is an endpoint's document.
func ref(db *firestore.Client, project, id string) *firestore.DocumentRef {
	return db.Doc("projects/" + project + "/" + collection + "/" + id)
}

// now is the present in the precision that Firestore keeps.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// newSecret is random and of the length of its hash (the specification takes 24 to 64
// bytes).
func newSecret() string {
	b := make([]byte, 32)
	rand.Read(b) // never fails (crypto/rand since Go 1.24)
	return "whsec_" + base64.StdEncoding.EncodeToString(b)
}

// Create stores a new endpoint with a new secret. AllowLoopback is for the local system.
func Create(ctx context.Context, db *firestore.Client, project, url string, events []string, allowLoopback bool) (*Endpoint, error) {
	if err := outbound.CheckURL("url", url, allowLoopback); err != nil {
		return nil, err
	}
	if len(events) == 0 || len(events) > len(Types) {
		return nil, fault.InField("events", "must name 1 to %d types of events", len(Types))
	}
	for i, t := range events {
		if !slices.Contains(Types, t) {
			return nil, fault.InField(fmt.Sprintf("events[%d]", i), "must be one of %s", strings.Join(Types, ", "))
		}
	}
	events = slices.Clone(events)
	slices.Sort(events)
	e := &Endpoint{ID: uuid.NewString(), URL: url, Events: slices.Compact(events), Secret: newSecret(), Created: now()}
	err := db.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		docs, err := tx.Documents(db.Collection("projects/" + project + "/" + collection).Select()).GetAll()
		if err != nil {
			return err
		}
		if len(docs) >= MaxEndpoints {
			return fault.New(fault.Conflict, "the project has %d endpoints already; delete one first", MaxEndpoints)
		}
		return tx.Create(ref(db, project, e.ID), e)
	})
	if err != nil {
		return nil, fmt.Errorf("store endpoint: %w", err)
	}
	return e, nil
}

// List reads a project's endpoints, the oldest first.
func List(ctx context.Context, db *firestore.Client, project string) ([]*Endpoint, error) {
	return decodeList(endpointsOf(db, project).Documents(ctx).GetAll())
}

func endpointsOf(db *firestore.Client, project string) firestore.Query {
	return db.Collection("projects/" + project + "/" + collection).Limit(MaxEndpoints)
}

func decodeList(docs []*firestore.DocumentSnapshot, err error) ([]*Endpoint, error) {
	if err != nil {
		return nil, fmt.Errorf("read endpoints: %w", err)
	}
	all := make([]*Endpoint, len(docs))
	for i, d := range docs {
		if all[i], err = decode(d); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(all, func(a, b *Endpoint) int { return a.Created.Compare(b.Created) })
	return all, nil
}

// Get reads an endpoint, or a NotFound fault.
func Get(ctx context.Context, db *firestore.Client, project, id string) (*Endpoint, error) {
	if !validID(id) {
		return nil, notFound(nil)
	}
	snap, err := ref(db, project, id).Get(ctx)
	if status.Code(err) == codes.NotFound {
		return nil, notFound(err)
	}
	if err != nil {
		return nil, fmt.Errorf("read endpoint: %w", err)
	}
	return decode(snap)
}

// Delete removes an endpoint. What is on its way to it fails.
func Delete(ctx context.Context, db *firestore.Client, project, id string) error {
	if !validID(id) {
		return notFound(nil)
	}
	_, err := ref(db, project, id).Delete(ctx, firestore.Exists)
	if status.Code(err) == codes.NotFound {
		return notFound(err)
	}
	if err != nil {
		return fmt.Errorf("delete endpoint: %w", err)
	}
	return nil
}

// Rotate gives an endpoint a new secret. The one before signs too for RotateFor; one
// still older does no more. Of two rotations at a time both secrets sign.
func Rotate(ctx context.Context, db *firestore.Client, project, id string) (e *Endpoint, err error) {
	if !validID(id) {
		return nil, notFound(nil)
	}
	err = db.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		snap, err := tx.Get(ref(db, project, id))
		if status.Code(err) == codes.NotFound {
			return notFound(err)
		}
		if err != nil {
			return err
		}
		if e, err = decode(snap); err != nil {
			return err
		}
		e.OldSecret, e.OldUntil, e.Secret = e.Secret, now().Add(RotateFor), newSecret()
		return tx.Update(snap.Ref, []firestore.Update{{Path: "secret", Value: e.Secret},
			{Path: "old_secret", Value: e.OldSecret}, {Path: "old_until", Value: e.OldUntil}})
	})
	if err != nil {
		return nil, fmt.Errorf("rotate secret: %w", err)
	}
	return e, nil
}

func validID(id string) bool {
	u, err := uuid.Parse(id)
	return err == nil && u.String() == id
}

func notFound(cause error) error {
	return fault.Wrap(fault.NotFound, cause, "the project has no such endpoint")
}

func decode(snap *firestore.DocumentSnapshot) (*Endpoint, error) {
	e := &Endpoint{ID: snap.Ref.ID}
	if err := snap.DataTo(e); err != nil {
		return nil, fmt.Errorf("decode endpoint: %w", err)
	}
	return e, nil
}
