package dashboard

import (
	"strings"
)

// group is the value that a series of a report is of.
type group struct {
	Value *string
	Type  string
	Other bool
}

// isString takes a group of no type for a string: that is how all were before they had one.
func (g group) isString() bool { return g.Type == "string" || g.Type == "" }

// What stands for a series that has no text.
const (
	allOthers = "all others"
	notSet    = "(not set)"
	nullName  = "(null)"
	emptyName = "(empty)"
)

// groupNames are the names of a report's groups. No two are alike: a string is shown as
// it is, but in quotes where that is also how another group reads.
type groupNames struct {
	taken map[string]bool // by what is no string
}

func newGroupNames(groups []group) groupNames {
	names := groupNames{map[string]bool{allOthers: true, notSet: true, nullName: true, emptyName: true}}
	for _, g := range groups {
		if g.Value != nil && !g.isString() {
			names.taken[*g.Value] = true
		}
	}
	return names
}

// name is what a group is called.
func (n groupNames) name(g group) string {
	switch {
	case g.Other:
		return allOthers
	case g.Type == "null":
		return nullName
	case g.Value == nil:
		return notSet
	case !g.isString():
		return *g.Value
	case *g.Value == "":
		return emptyName
	}
	text := *g.Value
	if n.taken[text] || strings.HasPrefix(text, `"`) || strings.TrimSpace(text) != text {
		return quote(text)
	}
	return text
}
