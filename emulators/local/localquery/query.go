package localquery

import (
	"fmt"
	"slices"
	"strings"

	"cloud.google.com/go/firestore/apiv1/firestorepb"
)

// Query is what of a query its index depends on, without any value.
type Query struct {
	Database, Collection string
	Group                bool     // of all collections of that name
	Equal                []string // fields held equal, sorted; one with "[]" for array-contains
	Order                []string // "field ASC" or "field DESC", __name__ the last
	Strange              string   // what the rules of indexes here do not know
}

// NameField is the document's name in an order.
const NameField = "__name__"

// New takes a query apart that is sent with a parent.
func New(parent string, s *firestorepb.StructuredQuery) Query {
	var q Query
	if parts := strings.Split(parent, "/"); len(parts) > 3 { // projects/P/databases/D/documents…
		q.Database = parts[3]
	}
	if len(s.From) != 1 {
		q.Strange = "of several collections"
		return q
	}
	q.Collection, q.Group = s.From[0].CollectionId, s.From[0].AllDescendants
	var unequal []string
	q.filter(s.Where, &unequal)
	for _, o := range s.OrderBy {
		q.Order = append(q.Order, o.Field.FieldPath+" "+Direction(o.Direction == firestorepb.StructuredQuery_DESCENDING))
	}
	slices.Sort(q.Equal)
	q.Equal = slices.Compact(q.Equal)
	slices.Sort(unequal)
	unequal = slices.Compact(unequal)
	if len(unequal) > 1 {
		q.Strange = "several fields in inequalities"
	}
	// What Firestore does by itself: a field of an inequality is ordered by, and the
	// document's name last.
	last := Direction(false)
	if len(q.Order) == 0 && len(unequal) == 1 {
		q.Order = []string{unequal[0] + " " + last}
	}
	if len(unequal) == 1 && !strings.HasPrefix(q.Order[0], unequal[0]+" ") {
		q.Strange = "not ordered by the field of its inequality first"
	}
	if n := len(q.Order); n > 0 {
		_, last, _ = strings.Cut(q.Order[n-1], " ")
	}
	if n := len(q.Order); n == 0 || !strings.HasPrefix(q.Order[n-1], NameField) {
		q.Order = append(q.Order, NameField+" "+last)
	}
	return q
}

// Direction is how the order of a field is named.
func Direction(descending bool) string {
	if descending {
		return "DESC"
	}
	return "ASC"
}

// filter takes a filter apart.
func (q *Query) filter(f *firestorepb.StructuredQuery_Filter, unequal *[]string) {
	switch f := f.GetFilterType().(type) {
	case nil:
	case *firestorepb.StructuredQuery_Filter_CompositeFilter:
		if f.CompositeFilter.Op != firestorepb.StructuredQuery_CompositeFilter_AND {
			q.Strange = "filters joined by OR"
		}
		for _, part := range f.CompositeFilter.Filters {
			q.filter(part, unequal)
		}
	case *firestorepb.StructuredQuery_Filter_UnaryFilter:
		q.Equal = append(q.Equal, f.UnaryFilter.GetField().GetFieldPath())
	case *firestorepb.StructuredQuery_Filter_FieldFilter:
		field := f.FieldFilter.Field.FieldPath
		switch f.FieldFilter.Op {
		case firestorepb.StructuredQuery_FieldFilter_EQUAL, firestorepb.StructuredQuery_FieldFilter_IN:
			q.Equal = append(q.Equal, field)
		case firestorepb.StructuredQuery_FieldFilter_ARRAY_CONTAINS, firestorepb.StructuredQuery_FieldFilter_ARRAY_CONTAINS_ANY:
			q.Equal = append(q.Equal, field+"[]")
		default:
			*unequal = append(*unequal, field)
		}
	}
}

// String names the query without any value.
func (q Query) String() string {
	scope := ""
	if q.Group {
		scope = " (all)"
	}
	return fmt.Sprintf("%s/%s%s where %v order by %v %s", q.Database, q.Collection, scope, q.Equal, q.Order, q.Strange)
}
