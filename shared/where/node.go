package where

import (
	"bytes"
	"math"

	"github.com/go-json-experiment/json/jsontext"
)

// node is a part of an expression.
type node interface {
	eval(values []jsontext.Value) value
	print(b []byte) []byte
	level() int
}

// Levels of binding, loosest first.
const (
	levelOr = iota
	levelAnd
	levelNot
	levelCompare
	levelSum
	levelProduct
	levelMinus
	levelAtom
)

// binaries gives each binary operator its level.
var binaries = map[string]int{
	"or": levelOr, "and": levelAnd,
	"==": levelCompare, "!=": levelCompare, "<": levelCompare, "<=": levelCompare,
	">": levelCompare, ">=": levelCompare, "in": levelCompare, "not in": levelCompare,
	"+": levelSum, "-": levelSum, "*": levelProduct, "/": levelProduct, "%": levelProduct,
}

type (
	// property is a property of the event: the i-th of the names.
	property struct {
		name string
		i    int
	}
	literal struct{ value value }
	// members is a literal list of more than a few items, with its strings and
	// numbers in maps so that in need not run through them.
	members struct {
		literal
		texts   map[string]struct{}
		numbers map[float64][]value // by num
	}
	unary struct {
		op string // "not" or "-"
		x  node
	}
	binary struct {
		op   string
		x, y node
		do   func(x, y value) value // nil for and, or
	}
	call struct {
		name string
		x    node
		do   func(value) value
	}
)

func (n property) eval(values []jsontext.Value) value { return decode(values[n.i]) }

func (n literal) eval([]jsontext.Value) value { return n.value }

func (n unary) eval(values []jsontext.Value) value {
	v := n.x.eval(values)
	if n.op == "not" {
		return ofBool(!v.truth())
	}
	if v.kind != number {
		return value{}
	}
	return v.negated()
}

func (n *binary) eval(values []jsontext.Value) value {
	x := n.x.eval(values)
	if n.do == nil {
		if x.truth() == (n.op == "or") {
			return ofBool(n.op == "or")
		}
		return ofBool(n.y.eval(values).truth())
	}
	if m, ok := n.y.(*members); ok && (n.op == "in" || n.op == "not in") {
		return ofBool(m.has(x) == (n.op == "in"))
	}
	return n.do(x, n.y.eval(values))
}

func (n call) eval(values []jsontext.Value) value { return n.do(n.x.eval(values)) }

// setFrom is the number of items from which a literal list has sets.
const setFrom = 8

func newLiteral(v value) node {
	if len(v.items) < setFrom {
		return literal{v}
	}
	m := &members{literal: literal{v}, texts: map[string]struct{}{}, numbers: map[float64][]value{}}
	for _, item := range v.items {
		switch item.kind {
		case text:
			m.texts[string(item.bytes)] = struct{}{}
		case number:
			m.numbers[item.num] = append(m.numbers[item.num], item)
		}
	}
	return m
}

func (n *members) has(v value) bool {
	switch v.kind {
	case text:
		_, ok := n.texts[string(v.bytes)]
		return ok
	case number:
		for _, item := range n.numbers[v.num] {
			if v.bytes == nil && item.bytes == nil || v.compareDecimal(item) == 0 {
				return true
			}
		}
		return false
	}
	return v.in(n.value)
}

// maxText is the longest text that + makes, in bytes: as long as any event. One
// longer for each + of an expression would take gigabytes for one event.
const maxText = 1 << 20

// operations are the binary operators that take both their values.
var operations = map[string]func(x, y value) value{
	"==":     func(x, y value) value { return ofBool(x.equal(y)) },
	"!=":     func(x, y value) value { return ofBool(!x.equal(y)) },
	"<":      func(x, y value) value { c, ok := x.less(y); return ofBool(ok && c < 0) },
	"<=":     func(x, y value) value { c, ok := x.less(y); return ofBool(ok && c <= 0) },
	">":      func(x, y value) value { c, ok := x.less(y); return ofBool(ok && c > 0) },
	">=":     func(x, y value) value { c, ok := x.less(y); return ofBool(ok && c >= 0) },
	"in":     func(x, y value) value { return ofBool(x.in(y)) },
	"not in": func(x, y value) value { return ofBool(!x.in(y)) },
	"+": func(x, y value) value {
		if x.kind == text && y.kind == text {
			if len(x.bytes)+len(y.bytes) > maxText {
				return value{}
			}
			return value{kind: text, bytes: append(bytes.Clone(x.bytes), y.bytes...)}
		}
		return calculate(x, y, x.num+y.num, addIntegers)
	},
	"-": func(x, y value) value { return calculate(x, y, x.num-y.num, subtractIntegers) },
	"*": func(x, y value) value { return calculate(x, y, x.num*y.num, multiplyIntegers) },
	"/": func(x, y value) value { return calculate(x, y, x.num/y.num, nil) },
	"%": func(x, y value) value { return calculate(x, y, math.Mod(x.num, y.num), integerRemainder) },
}

// functions are what is written name(expression).
var functions = map[string]func(value) value{
	"defined": func(v value) value { return ofBool(v.kind != undefined) },
	"boolean": func(v value) value { return ofBool(v.truth()) },
	"number":  toNumber,
	"string":  toText,
	"list":    toList,
	"floor":   rounding(math.Floor),
	"round":   rounding(math.Round),
	"ceil":    rounding(math.Ceil),
}

func rounding(f func(float64) float64) func(value) value {
	return func(v value) value {
		switch {
		case v.kind != number:
			return value{}
		case v.isWhole():
			return v
		}
		return ofNumber(f(v.num))
	}
}

func toNumber(v value) value {
	switch v.kind {
	case number:
		return v
	case boolean:
		return ofNumber(v.num)
	case text:
		return ofText(bytes.TrimSpace(v.bytes))
	}
	return value{}
}

func toText(v value) value {
	switch v.kind {
	case undefined, null, text:
		return v
	case number:
		return value{kind: text, bytes: v.appendNumber(nil, stringZeros)}
	}
	return value{kind: text, bytes: v.appendJSON(nil)}
}

func toList(v value) value {
	if v.kind == undefined || v.kind == list {
		return v
	}
	return value{kind: list, items: []value{v}}
}
