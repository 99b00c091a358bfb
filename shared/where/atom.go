package where

import (
	"slices"
)

// atom reads a property, a literal, a function or what stands in parentheses.
func (p *parser) atom() (node, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	if err := p.count(); err != nil {
		return nil, err
	}
	if p.is("(") {
		if err := p.advance(); err != nil {
			return nil, err
		}
		x, err := p.expr(levelOr)
		if err != nil {
			return nil, err
		}
		return x, p.expect(")", "to close the parenthesis")
	}
	if p.tok.kind == tokenName {
		if p.is("properties") {
			return p.property()
		}
		if do, ok := functions[p.tok.text]; ok {
			return p.call(do)
		}
	}
	v, err := p.literal("a property, a literal or (")
	if err != nil {
		return nil, err
	}
	return newLiteral(v), nil
}

func (p *parser) property() (node, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	if err := p.expect("[", `before the property's name: properties["name"]`); err != nil {
		return nil, err
	}
	if p.tok.kind != tokenString {
		return nil, p.unexpected(`the property's name in quotes: properties["name"]`)
	}
	name := p.tok.text
	if err := p.advance(); err != nil {
		return nil, err
	}
	i := slices.Index(p.names, name)
	if i < 0 {
		i = len(p.names)
		p.names = append(p.names, name)
	}
	return property{name, i}, p.expect("]", "after the property's name")
}

func (p *parser) call(do func(value) value) (node, error) {
	name := p.tok.text
	if err := p.advance(); err != nil {
		return nil, err
	}
	if err := p.expect("(", "after "+name); err != nil {
		return nil, err
	}
	x, err := p.expr(levelOr)
	if err != nil {
		return nil, err
	}
	return call{name, x, do}, p.expect(")", "to close "+name+"(")
}

// literal reads a literal; want says what else could stand here.
func (p *parser) literal(want string) (v value, err error) {
	switch p.tok.kind {
	case tokenString:
		v = value{kind: text, bytes: []byte(p.tok.text)}
	case tokenNumber:
		v = ofText([]byte(p.tok.text))
	case tokenSign:
		if p.tok.text != "[" {
			return v, p.unexpected(want)
		}
		return p.list()
	case tokenName:
		if v, err = p.word(want); err != nil {
			return v, err
		}
	default:
		return v, p.unexpected(want)
	}
	return v, p.advance()
}

// word reads a literal that is a word, or says why a word is none.
func (p *parser) word(want string) (value, error) {
	switch p.tok.text {
	case "true", "false":
		return ofBool(p.tok.text == "true"), nil
	case "null":
		return value{kind: null}, nil
	case "user":
		return value{}, errorAt(p.src, p.tok.pos, `user["…"] is not supported: a report reads the event's own properties["…"]`)
	case "undefined":
		return value{}, errorAt(p.src, p.tok.pos, `undefined cannot be compared with; write not defined(properties["…"])`)
	case "datetime", "any", "all":
		return value{}, errorAt(p.src, p.tok.pos, "%s is not supported", p.tok.text)
	}
	return value{}, p.unexpected(want)
}

// list reads [literal, …]. Its numbers may have a sign.
func (p *parser) list() (value, error) {
	if err := p.enter(); err != nil {
		return value{}, err
	}
	defer p.leave()
	items := []value{}
	if err := p.advance(); err != nil {
		return value{}, err
	}
	for !p.is("]") {
		if len(items) > 0 {
			if err := p.expect(",", "or ] after an item of the list"); err != nil {
				return value{}, err
			}
		}
		if err := p.count(); err != nil {
			return value{}, err
		}
		item, err := p.item()
		if err != nil {
			return value{}, err
		}
		items = append(items, item)
	}
	return value{kind: list, items: items}, p.advance()
}

func (p *parser) item() (value, error) {
	if !p.is("-") {
		return p.literal("a literal")
	}
	if err := p.advance(); err != nil {
		return value{}, err
	}
	if p.tok.kind != tokenNumber {
		return value{}, p.unexpected("a number after -")
	}
	v := ofText([]byte(p.tok.text)).negated()
	return v, p.advance()
}
