package dashboard

import (
	"slices"
	"testing"
)

func TestGroupNames(t *testing.T) {
	t.Parallel()
	of := func(kind, text string) group { return group{Value: &text, Type: kind} }
	null, missing, other := group{Type: "null"}, group{Type: "undefined"}, of("", "$other")
	other.Other = true
	for name, c := range map[string]struct {
		groups []group
		want   []string
	}{
		"ordinary":          {[]group{of("string", "pro"), of("string", "7"), of("string", "null"), of("string", "true"), missing}, []string{"pro", "7", "null", "true", "(not set)"}},
		"numbers":           {[]group{of("number", "7"), of("boolean", "true"), of("array", "[1]"), of("object", "{}")}, []string{"7", "true", "[1]", "{}"}},
		"of one text":       {[]group{of("number", "7"), of("string", "7"), of("string", "8"), of("string", `["a"]`), of("array", `["a"]`)}, []string{"7", `"7"`, "8", `"[\"a\"]"`, `["a"]`}},
		"no text":           {[]group{null, missing, of("string", ""), other, of("string", "$other"), of("string", "null")}, []string{"(null)", "(not set)", "(empty)", "all others", "$other", "null"}},
		"like no text":      {[]group{of("string", "(null)"), of("string", "(not set)"), of("string", "(empty)"), of("string", "all others")}, []string{`"(null)"`, `"(not set)"`, `"(empty)"`, `"all others"`}},
		"in quotes already": {[]group{of("number", "7"), of("string", "7"), of("string", `"7"`)}, []string{"7", `"7"`, `"\"7\""`}},
		"white space":       {[]group{of("string", "pro"), of("string", "pro "), of("string", " ")}, []string{"pro", `"pro "`, `" "`}},
		"without types":     {[]group{of("", "7"), of("", ""), {}}, []string{"7", "(empty)", "(not set)"}},
	} {
		names := newGroupNames(c.groups)
		var got []string
		for _, g := range c.groups {
			got = append(got, names.name(g))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}
