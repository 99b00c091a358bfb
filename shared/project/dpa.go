package project

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"cloud.google.com/go/firestore"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/gcp"
)

// DPA is a version of the data processing agreement (GDPR Art. 28(3)), the same for
// all projects. It does not change once it is published.
type DPA struct {
	Version     string    `firestore:"-" json:"version"`
	TextSHA256  string    `firestore:"text_sha256" json:"text_sha256"`
	URL         string    `firestore:"url" json:"url"`
	EffectiveAt time.Time `firestore:"effective_at" json:"effective_at"`
}

// Accepted is the version of the DPA that a project has accepted; zero: none.
type Accepted struct {
	Version     string    `firestore:"version,omitempty"`
	EffectiveAt time.Time `firestore:"effective_at,omitempty"` // of the version
}

// Signature is a project's acceptance of a version.
type Signature struct {
	Version    string    `firestore:"version"`
	TextSHA256 string    `firestore:"text_sha256"`
	Name       string    `firestore:"name"` // of who signed
	Role       string    `firestore:"role"` // in the controller's organisation
	By         string    `firestore:"by"`   // hash of the API key
	At         time.Time `firestore:"at"`
}

var (
	validVersion = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$`)
	validSHA256  = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// PublishDPA stores a version, from which on it is to be accepted. Publishing the same
// again changes nothing; another text under the same name is a Conflict.
func PublishDPA(ctx context.Context, db gcp.Databases, d DPA) error {
	if !validVersion.MatchString(d.Version) || !validSHA256.MatchString(d.TextSHA256) || d.EffectiveAt.IsZero() {
		return fault.New(fault.Invalid, "a version of the DPA needs a name, the SHA-256 of its text and the time it takes effect")
	}
	d.EffectiveAt = d.EffectiveAt.UTC().Truncate(time.Microsecond) // as Firestore keeps it
	for _, client := range []*firestore.Client{db.Default, db.Edge} {
		ref := client.Doc("dpa/" + d.Version)
		_, err := ref.Create(ctx, d)
		if status.Code(err) == codes.AlreadyExists {
			err = same(ctx, ref, d)
		}
		if err != nil {
			return fmt.Errorf("publish DPA %s: %w", d.Version, err)
		}
	}
	return nil
}

func same(ctx context.Context, ref *firestore.DocumentRef, d DPA) error {
	snap, err := ref.Get(ctx)
	if err != nil {
		return err
	}
	there := DPA{Version: d.Version}
	if err := snap.DataTo(&there); err != nil {
		return err
	}
	if there.TextSHA256 != d.TextSHA256 || there.URL != d.URL || !there.EffectiveAt.Equal(d.EffectiveAt) {
		return fault.New(fault.Conflict, "this version is published already, and is another")
	}
	return nil
}

// DPAs lists the versions of the DPA by when they take effect, from either database.
func DPAs(ctx context.Context, db *firestore.Client) ([]DPA, error) {
	snaps, err := db.Collection("dpa").Documents(ctx).GetAll()
	if err != nil {
		return nil, fmt.Errorf("list versions of the DPA: %w", err)
	}
	all := make([]DPA, len(snaps))
	var errs []error
	for i, snap := range snaps {
		errs = append(errs, snap.DataTo(&all[i]))
		all[i].Version = snap.Ref.ID
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("decode a version of the DPA: %w", err)
	}
	slices.SortFunc(all, func(a, b DPA) int {
		return cmp.Or(a.EffectiveAt.Compare(b.EffectiveAt), cmp.Compare(a.Version, b.Version))
	})
	return all, nil
}

// CurrentDPA is the place, among those of DPAs, of the version in effect; -1: none is.
func CurrentDPA(all []DPA, now time.Time) int {
	current := -1
	for i, d := range all {
		if !d.EffectiveAt.After(now) {
			current = i
		}
	}
	return current
}

// Until is the time up to which an acceptance is enough: that at which a version after
// it takes effect; ok is false where it is enough for good. An acceptance of nothing is
// never enough.
func (a Accepted) Until(all []DPA) (until time.Time, ok bool) {
	if a.Version == "" {
		return time.Time{}, true
	}
	i := slices.IndexFunc(all, func(d DPA) bool { return d.EffectiveAt.After(a.EffectiveAt) })
	if i < 0 {
		return time.Time{}, false
	}
	return all[i].EffectiveAt, true
}

// Holds says whether what is accepted is the version in effect, or a later one.
func (a Accepted) Holds(all []DPA, now time.Time) bool {
	until, ok := a.Until(all)
	return !ok || now.Before(until)
}

// AcceptDPA notes that a project accepts a version: the one in effect, or one that
// will be. The first signature of a version stands.
func AcceptDPA(ctx context.Context, db gcp.Databases, id string, s Signature) error {
	all, err := DPAs(ctx, db.Default)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(d DPA) bool { return d.Version == s.Version })
	if i < 0 {
		return fault.InField("version", "is not one of the DPA")
	}
	s.At = time.Now().UTC()
	if i < CurrentDPA(all, s.At) {
		return fault.New(fault.Conflict, "a later version of the DPA is in effect: %s", all[CurrentDPA(all, s.At)].Version)
	}
	s.TextSHA256 = all[i].TextSHA256
	return revise(ctx, db, id, func(p *Project) (change, error) {
		if s.Version == p.DPA.Version {
			return change{}, nil
		}
		if p.DPA.Version != "" && !p.DPA.EffectiveAt.Before(all[i].EffectiveAt) {
			return change{}, fault.New(fault.Conflict, "a version of the DPA that is no earlier is accepted: %s", p.DPA.Version)
		}
		return change{
			fields: map[string]any{"dpa": Accepted{s.Version, all[i].EffectiveAt}},
			record: db.Default.Doc("projects/" + id + "/dpa/" + s.Version),
			value:  s,
		}, nil
	})
}

// Signatures lists a project's acceptances, the newest first.
func Signatures(ctx context.Context, db *firestore.Client, id string) ([]Signature, error) {
	snaps, err := db.Collection("projects/"+id+"/dpa").OrderBy("at", firestore.Desc).Documents(ctx).GetAll()
	if err != nil {
		return nil, fmt.Errorf("list acceptances of the DPA: %w", err)
	}
	list := make([]Signature, len(snaps))
	var errs []error
	for i, snap := range snaps {
		errs = append(errs, snap.DataTo(&list[i]))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("decode an acceptance of the DPA: %w", err)
	}
	return list, nil
}
