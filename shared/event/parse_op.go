package event

import (
	"slices"
)

// OpNames are the profile operations.
var OpNames = []string{"$set", "$set_once", "$add", "$append", "$union", "$remove", "$unset", "$delete"}

// op reads one item of /engage.
func (p *parser) op() error {
	start := p.dec.InputOffset()
	if p.dec.PeekKind() != '{' {
		if err := p.dec.SkipValue(); err != nil {
			return err
		}
		p.fail("", "", "a profile update is an object with $token, $distinct_id and one operation")
		return nil
	}
	if _, err := p.dec.ReadToken(); err != nil {
		return err
	}
	o := Op{Received: p.rules.Now, Seq: p.Items, Request: p.rules.Nonce}
	var token string
	var bad refusal
	p.names = p.names[:0]
	for p.dec.PeekKind() != '}' {
		raw, err := p.value()
		if err != nil {
			return err
		}
		name, _ := unquote(raw)
		if p.repeated(0, raw) {
			bad.set(name, twice)
		}
		switch {
		case name == "$token" || name == "$distinct_id":
			if raw, err = p.value(); err != nil {
				return err
			}
			if name == "$token" {
				token, _ = unquote(raw)
			} else {
				o.DistinctID = parseDistinctID(raw, name, &bad)
			}
		case slices.Contains(OpNames, name):
			if o.Name != "" {
				bad.set(name, "only one operation may stand in an update")
			}
			o.Name = name
			from := len(p.out)
			if err := p.opValue(name, &bad); err != nil {
				return err
			}
			o.Value = asText(p.out[from:])
		default:
			if err := p.dec.SkipValue(); err != nil {
				return err
			}
		}
	}
	if _, err := p.dec.ReadToken(); err != nil {
		return err
	}
	switch {
	case o.DistinctID == "":
		bad.set("$distinct_id", "is required")
	case o.Name == "":
		bad.set("", "one of $set, $set_once, $add, $append, $union, $remove, $unset, $delete is required")
	case p.dec.InputOffset()-start > MaxBytes:
		bad.set("", "the update is over 1 MB")
	}
	if bad.message != "" {
		p.fail("", bad.field, bad.message)
		return nil
	}
	p.Ops = append(p.Ops, o)
	p.Tokens = append(p.Tokens, token)
	p.Items++
	return nil
}

// opValue copies an operation's value and checks its form: an array of names for
// $unset, anything for $delete, else an object, whose values are numbers for
// $add and arrays for $union.
func (p *parser) opValue(op string, bad *refusal) error {
	switch op {
	case "$delete":
		p.out = append(p.out, "true"...)
		return p.dec.SkipValue()
	case "$unset":
		return p.unsetValue(bad)
	}
	if p.dec.PeekKind() != '{' {
		bad.set(op, "must be an object")
		return p.dec.SkipValue()
	}
	if _, err := p.dec.ReadToken(); err != nil {
		return err
	}
	p.out = append(p.out, '{')
	n := 0
	mark := len(p.names)
	for ; p.dec.PeekKind() != '}'; n++ {
		name, err := p.value()
		if err != nil {
			return err
		}
		if p.repeated(mark, name) {
			bad.set(op+"."+bare(name), twice)
		}
		if n > 0 {
			p.out = append(p.out, ',')
		}
		p.out = append(p.out, name...)
		p.out = append(p.out, ':')
		kind := p.dec.PeekKind()
		if op == "$add" && kind != '0' {
			bad.set(op, "may hold only numbers")
		}
		if op == "$union" && kind != '[' {
			bad.set(op, "may hold only arrays")
		}
		if err := p.copyValue(op, 0, bad); err != nil {
			return err
		}
	}
	if n > MaxProperties {
		bad.set(op, "more than 254 properties")
	}
	p.names = p.names[:mark]
	p.out = append(p.out, '}')
	_, err := p.dec.ReadToken()
	return err
}

func (p *parser) unsetValue(bad *refusal) error {
	if p.dec.PeekKind() != '[' {
		bad.set("$unset", "must be an array of names")
		return p.dec.SkipValue()
	}
	if _, err := p.dec.ReadToken(); err != nil {
		return err
	}
	p.out = append(p.out, '[')
	n := 0
	for ; p.dec.PeekKind() != ']'; n++ {
		if p.dec.PeekKind() != '"' {
			bad.set("$unset", "must be an array of names")
		}
		raw, err := p.value()
		if err != nil {
			return err
		}
		if n > 0 {
			p.out = append(p.out, ',')
		}
		p.out = append(p.out, raw...)
	}
	if n > MaxProperties {
		bad.set("$unset", "more than 254 names")
	}
	p.out = append(p.out, ']')
	_, err := p.dec.ReadToken()
	return err
}
