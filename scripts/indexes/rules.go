package main

import (
	"slices"
	"strings"
)

// check says what a query lacks; empty if it has its index. The rules are Firestore's
// (https://cloud.google.com/firestore/docs/concepts/index-overview): an index serves a
// query if it begins with fields that are held equal and goes on with exactly what the
// query is ordered by; several such are merged, until all fields held equal are covered.
func (c *config) check(q query) string {
	if q.Strange != "" {
		return "cannot tell: " + q.Strange
	}
	if len(q.Equal) == 0 && slices.Equal(q.Order, []string{nameField + " " + "ASC"}) {
		return "" // as documents stand; the other way round they have no index
	}
	covered := map[string]bool{}
	served := false
	for _, x := range slices.Concat(c.composite, c.singles(q)) {
		if x.database != q.Database || x.collection != q.Collection || x.group != q.Group {
			continue
		}
		prefix, ok := serves(x, q)
		if !ok || len(prefix) == 0 && len(q.Equal) > 0 {
			continue
		}
		x.used, served = true, true
		for _, f := range prefix {
			covered[f] = true
		}
	}
	for _, f := range q.Equal {
		if !covered[f] {
			return "no index has " + f + " with that order"
		}
	}
	if !served {
		return "no index has that order"
	}
	return ""
}

// serves reports whether an index is of the query's order, and which of its fields held
// equal it begins with.
func serves(x *index, q query) (prefix []string, ok bool) {
	n := len(x.fields) - len(q.Order)
	if n < 0 || !slices.Equal(x.fields[n:], q.Order) {
		return nil, false
	}
	for _, f := range x.fields[:n] {
		f = strings.TrimSuffix(strings.TrimSuffix(f, " ASC"), " DESC")
		if !slices.Contains(q.Equal, f) {
			return nil, false
		}
		prefix = append(prefix, f)
	}
	return prefix, true
}

// singles are the single-field indexes of the query's fields: those that are configured,
// or what Firestore makes by itself.
func (c *config) singles(q query) []*index {
	var all []*index
	add := func(field string, array bool) {
		for _, x := range c.ofField(q, field, array) {
			all = append(all, x.named())
		}
	}
	for _, f := range q.Equal {
		name, array := strings.CutSuffix(f, "[]")
		add(name, array)
	}
	for _, o := range q.Order {
		if name, _, _ := strings.Cut(o, " "); name != nameField {
			add(name, false)
		}
	}
	return all
}

// named is a single-field index with the name as its last field, which Firestore adds.
func (x *index) named() *index {
	x.used = true // a query asks for the field; whether that helps it is for check
	_, dir, ordered := strings.Cut(x.fields[0], " ")
	if !ordered {
		dir = "ASC"
	}
	return &index{database: x.database, collection: x.collection, group: x.group, fields: []string{x.fields[0], nameField + " " + dir}}
}

// ofField are the indexes of one field in the query's scope: its own settings', or those
// of the map that it is in, or the default's.
func (c *config) ofField(q query, field string, array bool) []*index {
	for path := field; ; {
		if list, ok := c.fields[q.Database+"/"+q.Collection+"/"+path]; ok {
			return slices.DeleteFunc(slices.Clone(list), func(x *index) bool { return x.group != q.Group })
		}
		cut := strings.LastIndexByte(path, '.')
		if cut < 0 {
			break
		}
		path = path[:cut]
	}
	if q.Group {
		return nil
	}
	one := func(f string) *index {
		return &index{database: q.Database, collection: q.Collection, fields: []string{f}}
	}
	if array {
		return []*index{one(field + "[]")}
	}
	return []*index{one(field + " ASC"), one(field + " DESC")}
}

// unused are the indexes that no query was served by.
func (c *config) unused() []*index {
	var all []*index
	for _, x := range c.composite {
		if !x.used {
			all = append(all, x)
		}
	}
	for _, list := range c.fields {
		for _, x := range list {
			if !x.used {
				all = append(all, x)
			}
		}
	}
	slices.SortFunc(all, func(a, b *index) int { return strings.Compare(a.String(), b.String()) })
	return all
}
