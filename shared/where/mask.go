package where

import "github.com/go-json-experiment/json/jsontext"

// Masked writes the expression with a ? for each literal: which properties it asks
// about, and not what for. A person may be found by a literal, so logs have this.
func (e *Expr) Masked() string { return string(mask(e.root).print(nil)) }

func mask(n node) node {
	switch n := n.(type) {
	case property:
		return n
	case call:
		n.x = mask(n.x)
		return n
	case unary:
		n.x = mask(n.x)
		return n
	case *binary:
		m := *n
		m.x, m.y = mask(n.x), mask(n.y)
		return &m
	}
	return masked{} // literals and whatever else there may come to be
}

// masked stands where a literal was. It is only ever printed.
type masked struct{}

func (masked) eval([]jsontext.Value) value { return value{} }
func (masked) level() int                  { return levelAtom }
func (masked) print(b []byte) []byte       { return append(b, '?') }
