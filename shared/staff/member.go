package staff

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"cloud.google.com/go/firestore"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lethe-analytics/lethe/shared/fault"
)

// Role is what a member of staff does.
type Role string

// The roles.
const (
	Support        Role = "support"
	PrivacyOfficer Role = "privacy-officer"
	Security       Role = "security"
	Engineer       Role = "engineer"
)

// Roles lists them all.
var Roles = []Role{Support, PrivacyOfficer, Security, Engineer}

// TrainedFor is how long a training in data protection counts.
const TrainedFor = 365 * 24 * time.Hour

// Member is the document of a member of staff.
type Member struct {
	Email           string          `firestore:"-"`
	Role            Role            `firestore:"role"`
	Confidentiality Confidentiality `firestore:"confidentiality"`
	TrainingAt      time.Time       `firestore:"training_at,omitempty"` // the last training
	Disabled        bool            `firestore:"disabled,omitempty"`
	ChangedAt       time.Time       `firestore:"changed_at,omitempty"`
	ChangedBy       string          `firestore:"changed_by,omitempty"` // the member who did
	// Root is the member whom the deployment names: the first privacy officer, who
	// enters the others.
	Root bool `firestore:"-"`
}

// Confidentiality is the agreement that a member has signed (GDPR Art. 28(3)(b)).
type Confidentiality struct {
	Version string    `firestore:"version"`
	At      time.Time `firestore:"at,omitempty"`
}

// Ref is a member's document; the e-mail address is in lower case.
func Ref(db *firestore.Client, email string) *firestore.DocumentRef { return db.Doc("staff/" + email) }

// Get reads a member, or a NotFound fault.
func Get(ctx context.Context, db *firestore.Client, email string) (Member, error) {
	snap, err := Ref(db, email).Get(ctx)
	if status.Code(err) == codes.NotFound {
		return Member{}, fault.Wrap(fault.NotFound, err, "there is no such member of staff")
	}
	if err != nil {
		return Member{}, fmt.Errorf("read member of staff: %w", err)
	}
	return Decode(snap)
}

// Decode reads a member's document.
func Decode(snap *firestore.DocumentSnapshot) (Member, error) {
	m := Member{Email: snap.Ref.ID}
	if err := snap.DataTo(&m); err != nil {
		return Member{}, fmt.Errorf("decode member of staff: %w", err)
	}
	return m, nil
}

var validEmail = regexp.MustCompile(`^[^@/\s\x00-\x1f]+@[^@/\s\x00-\x1f]+$`)

// ValidEmail reports whether a text can be the e-mail address of a member, and with it
// the id of a document, of which Firestore keeps __.*__ for itself.
func ValidEmail(s string) bool {
	return len(s) <= 254 && utf8.ValidString(s) && validEmail.MatchString(s) &&
		!(strings.HasPrefix(s, "__") && strings.HasSuffix(s, "__"))
}

// CheckRole says whether the account and the role let a member do what the roles may.
func (m *Member) CheckRole(roles []Role) error {
	switch {
	case m.Disabled:
		return fault.New(fault.Forbidden, "the account is disabled")
	case len(roles) == 0:
		return fault.New(fault.Forbidden, "no role of the staff may do this")
	case !slices.Contains(roles, m.Role):
		return fault.New(fault.Forbidden, "the role is %s; this needs %s", m.Role, names(roles))
	}
	return nil
}

// Check says the one thing that keeps a member from working.
func (m *Member) Check(roles []Role) error {
	if err := m.CheckRole(roles); err != nil {
		return err
	}
	switch {
	case !m.Confidential():
		return fault.New(fault.Forbidden, "the confidentiality agreement is not signed")
	case m.TrainingAt.IsZero():
		return fault.New(fault.Forbidden, "the training in data protection is missing")
	case !m.Trained(time.Now()):
		return fault.New(fault.Forbidden, "the training in data protection is older than 365 days")
	}
	return nil
}

// Confidential reports whether the agreement is signed.
func (m *Member) Confidential() bool {
	return m.Confidentiality.Version != "" && !m.Confidentiality.At.IsZero()
}

// Trained reports whether the last training counts at a time.
func (m *Member) Trained(at time.Time) bool {
	return !m.TrainingAt.IsZero() && at.Sub(m.TrainingAt) <= TrainedFor
}

func names(roles []Role) string {
	all := make([]string, len(roles))
	for i, r := range roles {
		all[i] = string(r)
	}
	return strings.Join(all, " or ")
}
