// Package where is the language in which a report says which events it counts: the
// expressions of Mixpanel's `where`
// (https://docs.mixpanel.com/reference/segmentation-expressions).
//
//	text ─Parse─▶ Expr ─Names─▶ event.NewLookup ─In(event)─▶ values ─Match─▶ bool
//
// The grammar, loosest binding first; operators of one line bind to the left:
//
//	expr    = expr "or" expr
//	        | expr "and" expr
//	        | "not" expr
//	        | expr ("==" | "!=" | "<" | "<=" | ">" | ">=" | "in" | "not" "in") expr    (these do not chain)
//	        | expr ("+" | "-") expr
//	        | expr ("*" | "/" | "%") expr
//	        | "-" expr
//	        | "(" expr ")"
//	        | 'properties["' name '"]'
//	        | ("defined" | "string" | "number" | "boolean" | "list" | "floor" | "round" | "ceil") "(" expr ")"
//	        | literal
//	literal = string in either quotes, with JSON's escapes and \' | number | "true" | "false" | "null"
//	        | "[" literal, … "]"
//
// Values are those of JSON, and undefined: what a missing property is, and what an
// operation gives that has no result (a sum with a string, a division by zero,
// number("x")). Strings compare by code point. Numbers compare by what is written,
// with all their digits: 1, 1.0 and 1e0 are equal, 1830000000000000003 and
// 1830000000000000004 are not.
//
//   - +, -, * and % of integers are exact within 64 bits. Any other calculation is one of
//     64-bit floats, and its result is the shortest number that reads as the float. A
//     number beyond a 64-bit float is undefined.
//   - == holds for two values of one type that are equal; undefined equals nothing,
//     itself included. != is its opposite, so it holds for unlike types and for
//     missing properties.
//   - <, <=, >, >= hold between two numbers or two strings only.
//   - in: a string in a string is a substring; anything in a list is one of its
//     items. Everything else is false. not in is the opposite of in.
//   - and, or, not, boolean() and the whole expression take undefined, null, false, 0, ""
//     and "false" as false, and anything else as true.
//   - defined() is false for undefined alone: a property that is null is there.
//   - string() and list() leave undefined as it is, string() null too; objects and
//     lists become their JSON text, and list() of a single value holds that one.
//   - number() reads the text of a string, takes true as 1 and false as 0.
//   - + also joins two strings, up to 1 MiB; what would be longer is undefined.
package where

import (
	"github.com/go-json-experiment/json/jsontext"
)

// Limits of an expression. They bound what it costs to parse one and to
// evaluate it for one event.
const (
	MaxLength = 4096 // bytes of text
	MaxDepth  = 50   // parentheses, lists, functions and unary operators within one another
	MaxNodes  = 1000 // properties, literals and operators
)

// Expr is a parsed expression. It is immutable: many goroutines may use one.
type Expr struct {
	root  node
	names []string
}

// Names lists the properties that the expression reads, each once, in the order
// in which Match takes their values.
func (e *Expr) Names() []string { return e.names }

// Match evaluates the expression. The values are raw JSON in the order of Names,
// nil where the event has no such property, as event.Lookup finds them.
func (e *Expr) Match(values []jsontext.Value) bool { return e.root.eval(values).truth() }

// String writes the expression in a normal form, which parses to an equal one.
func (e *Expr) String() string { return string(e.root.print(nil)) }
