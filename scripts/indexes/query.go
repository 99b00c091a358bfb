package main

import (
	"fmt"
	"slices"
	"strings"

	"cloud.google.com/go/firestore/apiv1/firestorepb"
)

// query is what of a query its index depends on.
type query struct {
	database, collection string
	group                bool     // of all collections of that name
	equal                []string // fields held equal, sorted; one with "[]" for array-contains
	order                []string // "field ASC" or "field DESC", __name__ the last
	strange              string   // what these rules do not know
}

const nameField = "__name__"

func newQuery(parent string, s *firestorepb.StructuredQuery) query {
	var q query
	if parts := strings.Split(parent, "/"); len(parts) > 3 { // projects/P/databases/D/documents…
		q.database = parts[3]
	}
	if len(s.From) != 1 {
		q.strange = "of several collections"
		return q
	}
	q.collection, q.group = s.From[0].CollectionId, s.From[0].AllDescendants
	var unequal []string
	q.filter(s.Where, &unequal)
	for _, o := range s.OrderBy {
		q.order = append(q.order, o.Field.FieldPath+" "+direction(o.Direction == firestorepb.StructuredQuery_DESCENDING))
	}
	slices.Sort(q.equal)
	q.equal = slices.Compact(q.equal)
	slices.Sort(unequal)
	unequal = slices.Compact(unequal)
	if len(unequal) > 1 {
		q.strange = "several fields in inequalities"
	}
	// What Firestore does by itself: a field of an inequality is ordered by, and the
	// document's name last.
	last := direction(false)
	if len(q.order) == 0 && len(unequal) == 1 {
		q.order = []string{unequal[0] + " " + last}
	}
	if len(unequal) == 1 && !strings.HasPrefix(q.order[0], unequal[0]+" ") {
		q.strange = "not ordered by the field of its inequality first"
	}
	if n := len(q.order); n > 0 {
		_, last, _ = strings.Cut(q.order[n-1], " ")
	}
	if n := len(q.order); n == 0 || !strings.HasPrefix(q.order[n-1], nameField) {
		q.order = append(q.order, nameField+" "+last)
	}
	return q
}

func direction(descending bool) string {
	if descending {
		return "DESC"
	}
	return "ASC"
}

// filter takes a filter apart.
func (q *query) filter(f *firestorepb.StructuredQuery_Filter, unequal *[]string) {
	switch f := f.GetFilterType().(type) {
	case nil:
	case *firestorepb.StructuredQuery_Filter_CompositeFilter:
		if f.CompositeFilter.Op != firestorepb.StructuredQuery_CompositeFilter_AND {
			q.strange = "filters joined by OR"
		}
		for _, part := range f.CompositeFilter.Filters {
			q.filter(part, unequal)
		}
	case *firestorepb.StructuredQuery_Filter_UnaryFilter:
		q.equal = append(q.equal, f.UnaryFilter.GetField().GetFieldPath())
	case *firestorepb.StructuredQuery_Filter_FieldFilter:
		field := f.FieldFilter.Field.FieldPath
		switch f.FieldFilter.Op {
		case firestorepb.StructuredQuery_FieldFilter_EQUAL, firestorepb.StructuredQuery_FieldFilter_IN:
			q.equal = append(q.equal, field)
		case firestorepb.StructuredQuery_FieldFilter_ARRAY_CONTAINS, firestorepb.StructuredQuery_FieldFilter_ARRAY_CONTAINS_ANY:
			q.equal = append(q.equal, field+"[]")
		default:
			*unequal = append(*unequal, field)
		}
	}
}

// String names the query without any value.
func (q query) String() string {
	scope := ""
	if q.group {
		scope = " (all)"
	}
	return fmt.Sprintf("%s/%s%s where %v order by %v %s", q.database, q.collection, scope, q.equal, q.order, q.strange)
}
