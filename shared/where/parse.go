package where

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/lethe-analytics/lethe/shared/fault"
)

// Parse reads an expression. What is wrong with one is an Invalid fault of the
// field "where" that names the column.
func Parse(src string) (*Expr, error) {
	if len(src) > MaxLength {
		return nil, errorAt("", 0, "the expression is over %d bytes", MaxLength)
	}
	for i, r := range src {
		if r == utf8.RuneError && !strings.HasPrefix(src[i:], string(utf8.RuneError)) {
			return nil, errorAt(src, i, "not valid UTF-8")
		}
	}
	p := &parser{src: src}
	if err := p.advance(); err != nil {
		return nil, err
	}
	if p.tok.kind == tokenEnd {
		return nil, errorAt(src, p.tok.pos, "the expression is empty")
	}
	root, err := p.expr(levelOr)
	if err != nil {
		return nil, err
	}
	if p.tok.kind != tokenEnd {
		return nil, p.unexpected("an operator or the end")
	}
	return &Expr{root: root, names: p.names}, nil
}

// errorAt makes a fault that points at a byte offset by its column.
func errorAt(src string, pos int, format string, args ...any) error {
	column := utf8.RuneCountInString(src[:pos]) + 1
	detail := fmt.Sprintf(format, args...)
	return &fault.Error{
		Kind:   fault.Invalid,
		Detail: fmt.Sprintf("where, column %d: %s", column, detail),
		Fields: []fault.Field{{Name: "where", Detail: detail, Column: column}},
	}
}

// parser is a parser by recursive descent with one token of look-ahead.
type parser struct {
	src   string
	next  int // offset after tok
	tok   token
	depth int
	nodes int
	names []string
}

func (p *parser) advance() (err error) {
	p.tok, p.next, err = scan(p.src, p.next)
	return err
}

// is reports whether the token at hand is a given sign or word.
func (p *parser) is(s string) bool {
	return (p.tok.kind == tokenSign || p.tok.kind == tokenName) && p.tok.text == s
}

func (p *parser) expect(s, where string) error {
	if !p.is(s) {
		return p.unexpected(fmt.Sprintf("%q %s", s, where))
	}
	return p.advance()
}

func (p *parser) unexpected(want string) error {
	got := fmt.Sprintf("%q", p.tok.text)
	switch p.tok.kind {
	case tokenEnd:
		got = "the end"
	case tokenString:
		got = "a string"
	case tokenName:
		if low := strings.ToLower(p.tok.text); low != p.tok.text && (binaries[low] != 0 || slices.Contains([]string{"or", "not", "true", "false", "null"}, low)) {
			return errorAt(p.src, p.tok.pos, "%s is written %s", p.tok.text, low)
		}
	}
	return errorAt(p.src, p.tok.pos, "expected %s, found %s", want, got)
}

// enter goes one level down; leave must be called to come up again.
func (p *parser) enter() error {
	p.depth++
	if p.depth > MaxDepth {
		return errorAt(p.src, p.tok.pos, "nested deeper than %d", MaxDepth)
	}
	return nil
}

func (p *parser) leave() { p.depth-- }

func (p *parser) count() error {
	p.nodes++
	if p.nodes > MaxNodes {
		return errorAt(p.src, p.tok.pos, "more than %d properties, literals and operators", MaxNodes)
	}
	return nil
}

// operator is the binary operator at hand, or "".
func (p *parser) operator() string {
	if p.tok.kind != tokenSign && p.tok.kind != tokenName {
		return ""
	}
	if p.tok.text == "not" {
		if t, _, err := scan(p.src, p.next); err == nil && t.kind == tokenName && t.text == "in" {
			return "not in"
		}
		return ""
	}
	if _, ok := binaries[p.tok.text]; ok {
		return p.tok.text
	}
	return ""
}

// expr reads an expression of operators that bind at least as tightly as a level.
func (p *parser) expr(level int) (node, error) {
	x, err := p.operand(level)
	for err == nil {
		op := p.operator()
		if op == "" || binaries[op] < level {
			return x, nil
		}
		at := p.tok.pos
		if err := p.count(); err != nil {
			return nil, err
		}
		for range strings.Fields(op) {
			if err := p.advance(); err != nil {
				return nil, err
			}
		}
		var y node
		if y, err = p.expr(binaries[op] + 1); err != nil {
			return nil, err
		}
		x = &binary{op: op, x: x, y: y, do: operations[op]}
		if next := p.operator(); next != "" && binaries[op] == levelCompare && binaries[next] == levelCompare {
			return nil, errorAt(p.src, p.tok.pos, "comparisons do not chain; join them by and (the one before is at column %d)",
				utf8.RuneCountInString(p.src[:at])+1)
		}
	}
	return nil, err
}

// operand reads what stands before the first binary operator of a level.
func (p *parser) operand(level int) (node, error) {
	switch {
	case p.is("not") && level <= levelNot:
		return p.unary("not", levelNot)
	case p.is("not"):
		return nil, errorAt(p.src, p.tok.pos, "put what not applies to in parentheses, with the not: (not …)")
	case p.is("-"):
		return p.unary("-", levelMinus)
	}
	return p.atom()
}

func (p *parser) unary(op string, level int) (node, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	if err := p.advance(); err != nil {
		return nil, err
	}
	x, err := p.expr(level)
	if err != nil {
		return nil, err
	}
	return unary{op, x}, p.count()
}
