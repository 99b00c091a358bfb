package staff

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"cloud.google.com/go/firestore"
	"github.com/google/uuid"
	"google.golang.org/api/iterator"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/gcp"
)

// Limits of grants.
const (
	MaxDuration = 8 * time.Hour
	PendingFor  = 24 * time.Hour // then a grant can no more be approved
	maxLive     = 20             // grants of one member for one project that are looked at
)

// GrantStatus is how far a grant is.
type GrantStatus string

// The statuses. An approved grant is live until it expires.
const (
	Pending  GrantStatus = "pending"
	Approved GrantStatus = "approved"
	Ended    GrantStatus = "ended" // revoked, or never approved
)

// Grant is the document of a grant: one member's access to one customer's project.
type Grant struct {
	ID       string        `firestore:"-"`
	Project  string        `firestore:"project"`
	Member   string        `firestore:"member"` // e-mail address; the customer is told Actor
	Actor    string        `firestore:"actor"`  // by Pseudonym
	Role     Role          `firestore:"role"`
	Reason   string        `firestore:"reason"`
	Ticket   string        `firestore:"ticket"`
	Purposes []string      `firestore:"purposes"` // what is before the dot of the actions it is for
	Duration time.Duration `firestore:"duration"`
	Status   GrantStatus   `firestore:"status"`
	Created  time.Time     `firestore:"created"`
	// What was on record of the member when the grant was asked for.
	Confidentiality Confidentiality `firestore:"confidentiality"`
	TrainingAt      time.Time       `firestore:"training_at"`

	Approver      string    `firestore:"approver,omitempty"` // e-mail address
	ApproverActor string    `firestore:"approver_actor,omitempty"`
	ApproverRole  Role      `firestore:"approver_role,omitempty"`
	ApprovedAt    time.Time `firestore:"approved_at,omitempty"`
	Expires       time.Time `firestore:"expires,omitempty"` // once it is approved
	EndedAt       time.Time `firestore:"ended_at,omitempty"`
	EndedBy       string    `firestore:"ended_by,omitempty"` // by Pseudonym, or the hash of the customer's key

	updated time.Time // when the document was
}

// Pseudonym names a member to a customer: always the same within its project, and
// nobody in particular to who has not the project's secret.
func Pseudonym(secret []byte, email string) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("staff\x00" + email)) // apart from the keys of persons
	return "S-" + hex.EncodeToString(mac.Sum(nil)[:8])
}

// Purpose is that of an action: what is before its dot.
func Purpose(action string) string {
	p, _, _ := strings.Cut(action, ".")
	return p
}

// Covers reports whether an action is within the grant's purposes.
func (g *Grant) Covers(action string) bool { return slices.Contains(g.Purposes, Purpose(action)) }

// State is the status as of now, in a word for the reader: expired is none of the
// stored ones.
func (g *Grant) State(now time.Time) string {
	switch {
	case g.Status == Approved && !now.Before(g.Expires), g.Status == Pending && !now.Before(g.Created.Add(PendingFor)):
		return "expired"
	}
	return string(g.Status)
}

// GrantRef is a grant's document.
func GrantRef(db *firestore.Client, id string) *firestore.DocumentRef { return db.Doc("grants/" + id) }

// Tell stores, in the transaction that makes or changes a grant, what the customer is
// told of that.
type Tell func(tx *firestore.Transaction, g *Grant) error

// Ask stores a new grant of a member, which is pending.
func Ask(ctx context.Context, db *firestore.Client, g Grant, m Member, tell Tell) (*Grant, error) {
	g.ID, g.Member, g.Role, g.Status, g.Created = uuid.NewString(), m.Email, m.Role, Pending, present()
	g.Confidentiality, g.TrainingAt = m.Confidentiality, m.TrainingAt
	err := db.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		if err := tell(tx, &g); err != nil {
			return err
		}
		return tx.Create(GrantRef(db, g.ID), g)
	})
	if err != nil {
		return nil, fmt.Errorf("store grant: %w", err)
	}
	return &g, nil
}

// present is the present in the precision that Firestore keeps.
func present() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// GetGrant reads a grant, or a NotFound fault.
func GetGrant(ctx context.Context, db *firestore.Client, id string) (*Grant, error) {
	if u, err := uuid.Parse(id); err != nil || u.String() != id {
		return nil, noGrant(nil)
	}
	snap, err := GrantRef(db, id).Get(ctx)
	if status.Code(err) == codes.NotFound {
		return nil, noGrant(err)
	}
	if err != nil {
		return nil, fmt.Errorf("read grant: %w", err)
	}
	return decodeGrant(snap)
}

func noGrant(cause error) error { return fault.Wrap(fault.NotFound, cause, "there is no such grant") }

func decodeGrant(snap *firestore.DocumentSnapshot) (*Grant, error) {
	g := &Grant{ID: snap.Ref.ID, updated: snap.UpdateTime}
	if err := snap.DataTo(g); err != nil {
		return nil, fmt.Errorf("decode grant: %w", err)
	}
	return g, nil
}

// change changes a grant and has the customer told, if nobody else has changed it
// meanwhile; then it looks again. The function may find that there is nothing to be
// changed, and so nothing to be told.
func change(ctx context.Context, db *firestore.Client, id string, tell Tell, to func(g *Grant) (changed bool, err error)) (*Grant, error) {
	for range 5 {
		g, err := GetGrant(ctx, db, id)
		if err != nil {
			return nil, err
		}
		if changed, err := to(g); err != nil || !changed {
			return g, err
		}
		err = db.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
			if err := tell(tx, g); err != nil {
				return err
			}
			return tx.Update(GrantRef(db, id), []firestore.Update{
				{Path: "status", Value: g.Status}, {Path: "approver", Value: g.Approver}, {Path: "approver_actor", Value: g.ApproverActor},
				{Path: "approver_role", Value: g.ApproverRole}, {Path: "approved_at", Value: g.ApprovedAt}, {Path: "expires", Value: g.Expires},
				{Path: "ended_at", Value: g.EndedAt}, {Path: "ended_by", Value: g.EndedBy},
			}, firestore.LastUpdateTime(g.updated))
		})
		if err == nil {
			return g, nil
		}
		if !gcp.Overtaken(err) {
			return nil, fmt.Errorf("change grant: %w", err)
		}
	}
	return nil, fault.New(fault.Unavailable, "the grant is being changed by others; try again")
}

// Approve makes a grant live. Nobody approves a grant of their own; to approve again
// what one has approved is no fault and changes nothing.
func Approve(ctx context.Context, db *firestore.Client, id string, m Member, actor string, tell Tell) (*Grant, error) {
	return change(ctx, db, id, tell, func(g *Grant) (bool, error) {
		now := present()
		switch {
		case g.Member == m.Email:
			return false, fault.New(fault.Forbidden, "a grant is approved by somebody else than who asked for it")
		case g.Status == Approved && g.Approver == m.Email:
			return false, nil
		case g.State(now) != string(Pending):
			return false, fault.New(fault.Conflict, "the grant is %s; only a pending one can be approved", g.State(now))
		}
		g.Status, g.Approver, g.ApproverActor, g.ApproverRole = Approved, m.Email, actor, m.Role
		g.ApprovedAt, g.Expires = now, now.Add(min(g.Duration, MaxDuration))
		return true, nil
	})
}

// End ends a grant, at once; one that has ended stays as it is.
func End(ctx context.Context, db *firestore.Client, id, by string, tell Tell) (*Grant, error) {
	return change(ctx, db, id, tell, func(g *Grant) (bool, error) {
		if g.Status == Ended {
			return false, nil
		}
		g.Status, g.EndedAt, g.EndedBy = Ended, present(), by
		return true, nil
	})
}

// Live finds the grants by which a member may see a project now.
func Live(ctx context.Context, db *firestore.Client, project, email string) ([]*Grant, error) {
	return list(ctx, db.Collection("grants").Where("project", "==", project).Where("member", "==", email).
		Where("status", "==", string(Approved)).Where("expires", ">", present()).OrderBy("expires", firestore.Desc).Limit(maxLive))
}

// The lists of grants, the newest first, and at most so many.

// GrantsFor lists those for a project.
func GrantsFor(ctx context.Context, db *firestore.Client, project string, most int) ([]*Grant, error) {
	return newest(ctx, db, "project", project, most)
}

// GrantsOf lists those of a member.
func GrantsOf(ctx context.Context, db *firestore.Client, email string, most int) ([]*Grant, error) {
	return newest(ctx, db, "member", email, most)
}

// PendingGrants lists those that wait to be approved.
func PendingGrants(ctx context.Context, db *firestore.Client, most int) ([]*Grant, error) {
	return newest(ctx, db, "status", string(Pending), most)
}

func newest(ctx context.Context, db *firestore.Client, field, value string, most int) ([]*Grant, error) {
	return list(ctx, db.Collection("grants").Where(field, "==", value).OrderBy("created", firestore.Desc).Limit(most))
}

func list(ctx context.Context, q firestore.Query) (all []*Grant, err error) {
	docs := q.Documents(ctx)
	defer docs.Stop()
	for {
		snap, err := docs.Next()
		if errors.Is(err, iterator.Done) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("list grants: %w", err)
		}
		g, err := decodeGrant(snap)
		if err != nil {
			return nil, err
		}
		all = append(all, g)
	}
}
