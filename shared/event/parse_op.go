package event

import (
	"slices"
)

// OpNames are the profile operations.
var OpNames = []string{"$set", "$set_once", "$add", "$append", "$union", "$remove", "$unset", "$delete"}

// op reads one item of /engage.
func (p *parser) op() {
	start := p.pos
	if p.kind() != '{' {
		p.value()
		p.fail("", "", "a profile update is an object with $token, $distinct_id and one operation")
		return
	}
	p.enter()
	p.proof = ""
	o := Op{Received: p.rules.Now, Seq: p.Items, Request: p.rules.Nonce}
	var token string
	var bad refusal
	p.names = p.names[:0]
	for n := 0; p.more('}', n); n++ {
		raw := p.name()
		name, _ := unquote(raw)
		if p.repeated(0, raw) {
			bad.set(name, twice)
		}
		switch {
		case name == "$token" || name == "$distinct_id":
			halves := p.halves
			raw = p.value()
			if name == "$token" {
				token, _ = unquote(raw)
			} else {
				if p.halves > halves {
					bad.set(name, halfPair)
				}
				o.DistinctID = parseDistinctID(raw, name, &bad)
			}
		case raw == proofName:
			p.proof, _ = unquote(p.value())
		case slices.Contains(OpNames, name):
			if o.Name != "" {
				bad.set(name, "only one operation may stand in an update")
			}
			o.Name = name
			from := len(p.out)
			p.opValue(name, &bad)
			o.Value = asText(p.out[from:])
		default:
			p.value()
		}
	}
	switch {
	case o.DistinctID == "":
		bad.set("$distinct_id", "is required")
	case o.Name == "":
		bad.set("", "one of $set, $set_once, $add, $append, $union, $remove, $unset, $delete is required")
	case p.pos-start > MaxBytes:
		bad.set("", "the update is over 1 MB")
	}
	if bad.message != "" {
		p.fail("", bad.field, bad.message)
		return
	}
	p.noteProof(len(p.Ops))
	p.Ops = append(p.Ops, o)
	p.Tokens = append(p.Tokens, token)
	p.Items++
}

// opValue copies an operation's value and checks its form: an array of names for
// $unset, anything for $delete, else an object, whose values are numbers for
// $add and arrays for $union.
func (p *parser) opValue(op string, bad *refusal) {
	switch op {
	case "$delete":
		p.out = append(p.out, "true"...)
		p.value()
		return
	case "$unset":
		p.unsetValue(bad)
		return
	}
	if p.kind() != '{' {
		bad.set(op, "must be an object")
		p.value()
		return
	}
	p.enter()
	p.out = append(p.out, '{')
	n, kept := 0, 0
	mark := len(p.names)
	for ; p.more('}', n); n++ {
		name := p.name()
		if p.repeated(mark, name) {
			bad.set(op+"."+bare(name), twice)
		}
		if name == proofName { // an SDK that can put nothing beside the operation puts it here
			p.proof, _ = unquote(p.value())
			continue
		}
		if kept > 0 {
			p.out = append(p.out, ',')
		}
		kept++
		p.out = append(p.out, name...)
		p.out = append(p.out, ':')
		kind := p.kind()
		if op == "$add" && !isNumber(kind) {
			bad.set(op, "may hold only numbers")
		}
		if op == "$union" && kind != '[' {
			bad.set(op, "may hold only arrays")
		}
		p.copyValue(op, 0, bad)
	}
	if n > MaxProperties {
		bad.set(op, "more than 254 properties")
	}
	p.names = p.names[:mark]
	p.out = append(p.out, '}')
}

func (p *parser) unsetValue(bad *refusal) {
	if p.kind() != '[' {
		bad.set("$unset", "must be an array of names")
		p.value()
		return
	}
	p.enter()
	p.out = append(p.out, '[')
	n := 0
	for ; p.more(']', n); n++ {
		if p.kind() != '"' {
			bad.set("$unset", "must be an array of names")
		}
		raw := p.value()
		if n > 0 {
			p.out = append(p.out, ',')
		}
		p.out = append(p.out, raw...)
	}
	if n > MaxProperties {
		bad.set("$unset", "more than 254 names")
	}
	p.out = append(p.out, ']')
}
