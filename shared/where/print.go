package where

import "github.com/go-json-experiment/json/jsontext"

func (n property) level() int { return levelAtom }
func (n literal) level() int  { return levelAtom }
func (n call) level() int     { return levelAtom }
func (n *binary) level() int  { return binaries[n.op] }
func (n unary) level() int {
	if n.op == "not" {
		return levelNot
	}
	return levelMinus
}

func (n property) print(b []byte) []byte {
	b = append(b, "properties["...)
	b, _ = jsontext.AppendQuote(b, n.name)
	return append(b, ']')
}

func (n literal) print(b []byte) []byte { return n.value.appendJSON(b) }

func (n call) print(b []byte) []byte {
	b = append(append(b, n.name...), '(')
	return append(n.x.print(b), ')')
}

func (n unary) print(b []byte) []byte {
	b = append(b, n.op...)
	if n.op == "not" {
		b = append(b, ' ')
	}
	return within(b, n.x, n.level())
}

func (n *binary) print(b []byte) []byte {
	left := n.level()
	if left == levelCompare { // does not chain
		left++
	}
	b = within(b, n.x, left)
	b = append(append(append(b, ' '), n.op...), ' ')
	return within(b, n.y, n.level()+1)
}

// within writes an operand, in parentheses if it binds looser than its place asks.
func within(b []byte, n node, level int) []byte {
	if n.level() >= level {
		return n.print(b)
	}
	return append(n.print(append(b, '(')), ')')
}
