package person

import (
	"maps"
	"slices"

	"github.com/lethe-analytics/lethe/shared/identity"
	"github.com/lethe-analytics/lethe/shared/person"
)

// Refused are statements about the person that had no effect.
type Refused struct {
	Reason identity.Said `json:"reason"`
	Count  int           `json:"count"`
	More   bool          `json:"more,omitempty"` // there may be more than were counted
	What   string        `json:"what"`           // the rule's sentence: what was said
	Why    string        `json:"why"`            // and why it has no effect
}

// listRefused tells what the documents of the person and of the identity that was asked
// about note.
func listRefused(p subject) []Refused {
	told := map[string]map[string]bool{}
	full := map[string]bool{}
	for _, doc := range []*person.Doc{&p.Own.Doc, &p.Person.Doc} {
		for reason, hashes := range doc.NoEffect {
			if told[reason] == nil {
				told[reason] = map[string]bool{}
			}
			for _, h := range hashes {
				told[reason][h] = true
			}
			full[reason] = full[reason] || len(hashes) >= person.MaxNoEffect
		}
	}
	var all []Refused
	for _, reason := range slices.Sorted(maps.Keys(told)) {
		r := Refused{Reason: identity.Said(reason), Count: len(told[reason]), More: full[reason]}
		if i := slices.IndexFunc(identity.Rules, func(rule identity.Rule) bool { return rule.Said == r.Reason }); i >= 0 {
			r.What, r.Why = identity.Rules[i].What, identity.Rules[i].Why
		}
		all = append(all, r)
	}
	return all
}
