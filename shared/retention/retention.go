// Package retention owns how long a project's event data is kept: the settings, how
// they change, and up to which day they let a purge go.
//
//	projects/{project}                        Doc: retention_days, retention_rules, retention_pending, retention_hold
//	projects/{project}/retention_history/{n}  Change: what it was made, by whom and when
//
//	change ─┬─ longer ──▶ at once
//	        └─ shorter ─▶ pending for Wait, can be taken back ─▶ Doc.Settled
//
// Retention counts whole UTC days from the event's day: of n days, an event of day d
// is kept to the end of day d+n, so for n times 24 hours at least.
package retention

import (
	"context"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"cloud.google.com/go/firestore"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lethe-analytics/lethe/shared/amend"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/project"
)

// Unlimited, as a number of days, keeps events for ever. Zero is not that, but a
// project which has no settings yet (project.DefaultRetentionDays).
const Unlimited = -1

// Limits of settings.
const (
	MaxDays  = 36_500
	MaxRules = 50
)

// Wait is how long a shortening can be taken back before it takes effect.
const Wait = 24 * time.Hour

// Rule is a shorter life of the events of one name, or of one property of all
// events and of the profile. Exactly one of Event and Property is given.
type Rule struct {
	Event    string `firestore:"event,omitempty" json:"event,omitempty"`
	Property string `firestore:"property,omitempty" json:"property,omitempty"`
	Days     int    `firestore:"days" json:"days"`
}

// Settings say how long data is kept.
type Settings struct {
	Days  int // or Unlimited
	Rules []Rule
}

// Pending is a shortening that has not taken effect yet.
type Pending struct {
	Days        int       `firestore:"days"`
	Rules       []Rule    `firestore:"rules"`
	EffectiveAt time.Time `firestore:"effective_at"`
	By          string    `firestore:"by"` // hash of the API key
}

// Doc is what a project's document says of retention.
type Doc struct {
	Days    int          `firestore:"retention_days"`
	Rules   []Rule       `firestore:"retention_rules"`
	Pending *Pending     `firestore:"retention_pending"`
	Hold    *person.Hold `firestore:"retention_hold"` // of the whole project
	// Version grows with each change of the above and with each legal hold that is
	// set on a person or lifted: a purge that has it read sees what it must not
	// overlook.
	Version int `firestore:"retention_version"`
}

// Ref is the document that Doc is part of.
func Ref(db *firestore.Client, projectID string) *firestore.DocumentRef {
	return db.Doc("projects/" + projectID)
}

// Read reads a project's retention, or a NotFound fault. What has become due by now
// is in the answer, stored or not.
func Read(ctx context.Context, db *firestore.Client, projectID string, now time.Time) (Doc, error) {
	snap, err := Ref(db, projectID).Get(ctx)
	if err != nil && status.Code(err) != codes.NotFound {
		return Doc{}, fmt.Errorf("read project %s: %w", projectID, err)
	}
	d, err := Decode(snap)
	return d.Settled(now), err
}

// Decode reads the document as it is stored.
func Decode(snap *firestore.DocumentSnapshot) (Doc, error) {
	var d Doc
	if !snap.Exists() {
		return d, fault.New(fault.NotFound, "no such project")
	}
	if err := snap.DataTo(&d); err != nil {
		return d, fmt.Errorf("decode project: %w", err)
	}
	if d.Days == 0 {
		d.Days = project.DefaultRetentionDays
	}
	return d, nil
}

// Settings are those in force.
func (d Doc) Settings() Settings { return Settings{d.Days, d.Rules} }

// Settled is the document with a pending change in force, if it is due.
func (d Doc) Settled(now time.Time) Doc {
	if d.Pending != nil && !now.Before(d.Pending.EffectiveAt) {
		d.Days, d.Rules, d.Pending = d.Pending.Days, d.Pending.Rules, nil
		d.Version++
	}
	return d
}

// Updates write all of it but the hold.
func (d Doc) Updates() []firestore.Update {
	var pending any = firestore.Delete
	if d.Pending != nil {
		pending = d.Pending
	}
	return []firestore.Update{
		{Path: "retention_days", Value: d.Days}, {Path: "retention_rules", Value: d.Rules},
		{Path: "retention_pending", Value: pending}, {Path: "retention_version", Value: d.Version},
	}
}

// ArchiveDays is for how many days the archive of an export is kept at most (a lifecycle
// rule of the bucket, terraform/exports.tf).
const ArchiveDays = 7

// ArchiveDays is for how many days the project's archives are kept: not longer than the
// events that they are copies of.
func (d Doc) ArchiveDays() int {
	if d.Days == Unlimited {
		return ArchiveDays
	}
	return min(d.Days, ArchiveDays)
}

// Cutoff is the first day that is kept; all before it may go. It is empty, which is
// before every day, where the days are Unlimited.
func Cutoff(days int, today time.Time) string {
	if days == Unlimited {
		return ""
	}
	return today.UTC().AddDate(0, 0, -days).Format(time.DateOnly)
}

// Check says, as an Invalid fault, what is wrong with settings.
func (s Settings) Check() error {
	if s.Days != Unlimited && (s.Days < 1 || s.Days > MaxDays) {
		return fault.InField("retention_days", "must be from 1 to %d, or null for unlimited", MaxDays)
	}
	if len(s.Rules) > MaxRules {
		return fault.InField("rules", "has %d rules; at most %d are taken", len(s.Rules), MaxRules)
	}
	for i, r := range s.Rules {
		at := fmt.Sprintf("rules[%d]", i)
		name := r.Event + r.Property
		switch {
		case (r.Event == "") == (r.Property == ""):
			return fault.InField(at, "must name either an event or a property")
		case !utf8.ValidString(name) || utf8.RuneCountInString(name) > event.MaxString:
			return fault.InField(at, "has a name that is longer than %d characters", event.MaxString)
		case slices.Contains(amend.Reserved, r.Property):
			return fault.InField(at+".property", "%s cannot go alone: it is part of what an event is known by", r.Property)
		case r.Days < 1 || r.Days > MaxDays:
			return fault.InField(at+".days", "must be from 1 to %d", MaxDays)
		case s.Days != Unlimited && r.Days >= s.Days:
			return fault.InField(at+".days", "must be less than retention_days: a rule only shortens")
		case slices.ContainsFunc(s.Rules[:i], r.same):
			return fault.InField(at, "is the second rule for this name")
		}
	}
	return nil
}

// same reports whether two rules are about the same.
func (r Rule) same(o Rule) bool { return r.Event == o.Event && r.Property == o.Property }

// Longer is the longer of two settings in each respect: what may be in force at once
// when one is to follow the other.
func (s Settings) Longer(o Settings) Settings {
	l := Settings{Days: max(s.Days, o.Days)}
	if s.Days == Unlimited || o.Days == Unlimited {
		l.Days = Unlimited
	}
	for _, r := range s.Rules {
		if i := slices.IndexFunc(o.Rules, r.same); i >= 0 {
			r.Days = max(r.Days, o.Rules[i].Days)
			l.Rules = append(l.Rules, r)
		}
	}
	return l
}

// Equal reports whether two settings are the same, in whatever order.
func (s Settings) Equal(o Settings) bool {
	return s.Days == o.Days && len(s.Rules) == len(o.Rules) &&
		!slices.ContainsFunc(s.Rules, func(r Rule) bool { return !slices.Contains(o.Rules, r) })
}

// Change is the document after settings have been asked for: what they lengthen is
// in force, what they shorten is pending. Asking again for what is pending already
// does not begin the wait anew.
func (d Doc) Change(to Settings, now time.Time, by string) Doc {
	d = d.Settled(now)
	if p := d.Pending; p != nil && to.Equal(Settings{p.Days, p.Rules}) {
		return d
	}
	first := d.Settings().Longer(to)
	if !d.Settings().Equal(first) || d.Pending != nil || !first.Equal(to) {
		d.Version++
	}
	d.Days, d.Rules, d.Pending = first.Days, first.Rules, nil
	if !first.Equal(to) {
		d.Pending = &Pending{Days: to.Days, Rules: to.Rules, EffectiveAt: now.Add(Wait).UTC(), By: by}
	}
	return d
}
