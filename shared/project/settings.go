package project

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/identity"
)

// Settings are the controller's instructions for the processing (GDPR Art. 28(3)(a)),
// but for the retention, which package retention has.
type Settings struct {
	Consent  consent.Defaults `firestore:"consent" json:"consent"`
	Purposes []Purpose        `firestore:"purposes" json:"purposes"`
	Regions  []string         `firestore:"regions" json:"data_regions"` // of Google Cloud, where data may be
	UserIDs  identity.UserIDs `firestore:"user_ids" json:"user_ids"`    // what the app's own user ids look like
}

// Purpose is what data is processed for, and on what basis.
type Purpose struct {
	Name        string `firestore:"name" json:"name"`
	Description string `firestore:"description" json:"description"`
	Basis       string `firestore:"basis" json:"basis"`
}

// Version is what settings were from a time on.
type Version struct {
	Number   int       `firestore:"number"`
	Settings Settings  `firestore:"settings"`
	By       string    `firestore:"by"` // hash of the API key; empty: made with the project
	At       time.Time `firestore:"at"`
}

// Limits of settings.
const (
	maxCountries   = 250
	maxPurposes    = 50
	maxRegions     = 20
	maxName        = 64   // characters
	maxDescription = 1000 // characters
)

var (
	country = regexp.MustCompile(`^[A-Z]{2}$`)
	region  = regexp.MustCompile(`^[a-z][a-z0-9-]{1,39}$`)
)

// Check says, as an Invalid fault, what is wrong with settings.
func (s *Settings) Check() error {
	if err := checkConsent(s.Consent); err != nil {
		return err
	}
	if !s.UserIDs.Valid() {
		return fault.InField("user_ids", `must be "uuid", "other", or "" where that is not known`)
	}
	if len(s.Purposes) > maxPurposes {
		return fault.InField("purposes", "are %d; at most %d are taken", len(s.Purposes), maxPurposes)
	}
	names := map[string]bool{}
	for i, p := range s.Purposes {
		field := fmt.Sprintf("purposes[%d].", i)
		switch {
		case CheckName(p.Name) != "":
			return fault.InField(field+"name", "%s", CheckName(p.Name))
		case names[p.Name]:
			return fault.InField(field+"name", "is there twice")
		case utf8.RuneCountInString(p.Description) > maxDescription:
			return fault.InField(field+"description", "is longer than %d characters", maxDescription)
		case !slices.Contains(consent.Bases, p.Basis):
			return fault.InField(field+"basis", "must be one of %s", strings.Join(consent.Bases, ", "))
		}
		names[p.Name] = true
	}
	if len(s.Regions) > maxRegions {
		return fault.InField("data_regions", "are %d; at most %d are taken", len(s.Regions), maxRegions)
	}
	for i, r := range s.Regions {
		if !region.MatchString(r) || slices.Contains(s.Regions[:i], r) {
			return fault.InField(fmt.Sprintf("data_regions[%d]", i), "must be a location of Google Cloud, such as europe-west3, and be there once")
		}
	}
	return nil
}

func checkConsent(c consent.Defaults) error {
	known := func(s consent.State) bool { return s == consent.Granted || s == consent.Denied }
	if !known(c.Default) {
		return fault.InField("consent.default", "must be granted or denied")
	}
	if len(c.Regions) > maxCountries {
		return fault.InField("consent.regions", "are %d; at most %d are taken", len(c.Regions), maxCountries)
	}
	for code, state := range c.Regions {
		if !country.MatchString(code) {
			return fault.InField("consent.regions", "countries are named by two capital letters (ISO 3166-1)")
		}
		if !known(state) {
			return fault.InField("consent.regions."+code, "must be granted or denied")
		}
	}
	return nil
}

// CheckName says what is wrong with the name of something; empty if nothing is.
func CheckName(name string) string {
	n := utf8.RuneCountInString(name)
	if n == 0 || n > maxName || strings.TrimSpace(name) != name || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return fmt.Sprintf("must be of 1 to %d characters, without control characters, and without space around it", maxName)
	}
	return ""
}

// Current are the project's settings.
func (p *Project) Current() Settings {
	return Settings{p.Consent, p.Purposes, p.Regions, p.UserIDs}.Whole()
}

// Whole is the same with no list or map nil, as they are stored, told and compared.
func (s Settings) Whole() Settings {
	if s.Consent.Regions == nil {
		s.Consent.Regions = map[string]consent.State{}
	}
	s.Purposes, s.Regions = append([]Purpose{}, s.Purposes...), append([]string{}, s.Regions...)
	return s
}

// versionRef is where a version stands.
func versionRef(project *firestore.DocumentRef, number int) *firestore.DocumentRef {
	return project.Collection("settings").Doc(strconv.Itoa(number))
}

// SetSettings makes checked settings those of a project, as a new version, unless they
// are already. With an expected number above 0 the version that is replaced must be
// that one, or it is a Conflict.
func SetSettings(ctx context.Context, db gcp.Databases, id string, to Settings, by string, expected int) error {
	to = to.Whole()
	return revise(ctx, db, id, func(p *Project) (change, error) {
		if reflect.DeepEqual(p.Current(), to) {
			return change{}, nil
		}
		if expected > 0 && expected != p.Settings {
			return change{}, fault.New(fault.Conflict, "the settings are at version %d by now", p.Settings)
		}
		n := p.Settings + 1
		return change{
			fields: map[string]any{"consent": to.Consent, "purposes": to.Purposes, "regions": to.Regions, "user_ids": to.UserIDs, "settings": n},
			record: versionRef(db.Default.Doc("projects/"+id), n),
			value:  Version{Number: n, Settings: to, By: by, At: time.Now().UTC()},
		}, nil
	})
}

// Versions lists the versions before a number (0: all), the newest first, and whether
// there are more.
func Versions(ctx context.Context, db *firestore.Client, id string, before, limit int) (page []Version, more bool, err error) {
	q := db.Collection("projects/"+id+"/settings").OrderBy("number", firestore.Desc)
	if before > 0 {
		q = q.Where("number", "<", before)
	}
	snaps, err := q.Limit(limit + 1).Documents(ctx).GetAll()
	if err != nil {
		return nil, false, fmt.Errorf("list versions of settings: %w", err)
	}
	page = make([]Version, len(snaps))
	var errs []error
	for i, snap := range snaps {
		errs = append(errs, snap.DataTo(&page[i]))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, false, fmt.Errorf("decode a version of settings: %w", err)
	}
	return page[:min(len(page), limit)], len(page) > limit, nil
}
