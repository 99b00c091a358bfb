package dashboard

import (
	"encoding/json"
	"strconv"
	"strings"
)

// filter is one row of the filter builder.
type filter struct {
	N         int // of the row; its fields are p1, o1, v1
	Property  string
	Operators []option
	Value     string
}

// maxFilters is how many rows there are.
const maxFilters = 4

// operators are what a filter can ask, and how that is written in shared/where.
var operators = []struct{ key, name string }{
	{"is", "is"}, {"isnt", "is not"}, {"has", "contains"}, {"hasnt", "does not contain"}, {"in", "is one of (a, b)"},
	{"gt", "is more than"}, {"gte", "is at least"}, {"lt", "is less than"}, {"lte", "is at most"},
	{"set", "is set"}, {"unset", "is not set"},
}

// filters reads the rows of the builder.
func (v *visit) filters() (rows []filter) {
	for n := 1; n <= maxFilters; n++ {
		i := strconv.Itoa(n)
		row := filter{N: n, Property: v.query.Get("p" + i), Value: v.query.Get("v" + i)}
		for _, o := range operators {
			row.Operators = append(row.Operators, option{o.key, o.name, o.key == v.query.Get("o"+i)})
		}
		rows = append(rows, row)
	}
	return rows
}

// condition is the where of the rows, all or any of which must hold, and of one that is
// written out; empty without any.
func condition(rows []filter, any bool, written string) string {
	var parts []string
	for _, row := range rows {
		if row.Property != "" {
			parts = append(parts, row.where())
		}
	}
	joiner := " and "
	if any {
		joiner = " or "
	}
	built := strings.Join(parts, joiner)
	switch {
	case written == "":
		return built
	case built == "":
		return written
	}
	return "(" + built + ") and (" + written + ")"
}

func (f filter) where() string {
	op := operators[0].key
	for _, o := range f.Operators {
		if o.Chosen {
			op = o.Value
		}
	}
	property := "properties[" + quote(f.Property) + "]"
	switch op {
	case "isnt":
		return "not " + equals(property, f.Value)
	case "has":
		return quote(f.Value) + " in " + property
	case "hasnt":
		return quote(f.Value) + " not in " + property
	case "in":
		var any []string
		for part := range strings.SplitSeq(f.Value, ",") {
			any = append(any, equals(property, strings.TrimSpace(part)))
		}
		return "(" + strings.Join(any, " or ") + ")"
	case "gt", "gte", "lt", "lte":
		sign := map[string]string{"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}[op]
		if n, ok := numeral(f.Value); ok {
			return property + " " + sign + " " + n
		}
		return property + " " + sign + " " + quote(f.Value)
	case "set":
		return "defined(" + property + ")"
	case "unset":
		return "not defined(" + property + ")"
	}
	return equals(property, f.Value)
}

// equals takes a value that looks like a number or a boolean for the text too: who types 5
// into a field does not say which of the two the app has sent.
func equals(property, value string) string {
	texts := property + " == " + quote(value)
	if n, ok := numeral(value); ok {
		return "(" + texts + " or " + property + " == " + n + ")"
	}
	if value == "true" || value == "false" {
		return "(" + texts + " or " + property + " == " + value + ")"
	}
	return texts
}

// numeral is a number as the language writes it.
func numeral(s string) (string, bool) {
	var n json.Number
	if json.Unmarshal([]byte(s), &n) != nil || strings.HasPrefix(s, `"`) {
		return "", false
	}
	return strings.TrimSpace(s), true
}

// quote writes a text as a string of the language, which has JSON's escapes.
func quote(s string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // of a string it does not fail
	return strings.TrimSuffix(b.String(), "\n")
}
