package openapi

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"
)

// Group is the operations of one tag, in the order of the document.
type Group struct {
	Name        string
	Description string // Markdown, as are all descriptions below
	Operations  []Operation
}

// Operation is one method of one path.
type Operation struct {
	ID          string // unique; fit for an anchor
	Method      string // GET, POST, …
	Path        string
	Summary     string
	Description string
	Auth        string   // key, staff, token, public: as access.Auth
	Role        string   // that an API key needs at least; empty: no key will do, or none is needed
	Staff       []string // roles of staff who may call
	Action      string   // in the access log; empty: it is not logged
	Parameters  []Parameter
	Body        *Body // nil: it takes none
	Responses   []Response
}

// Parameter is one parameter of the path, the query or the headers.
type Parameter struct {
	Name, In, Type, Description string
	Required                    bool
}

// Body is what a request or a response holds, in the first of its media types.
type Body struct {
	MediaTypes []string
	Required   bool
	Schema     string  // name of the schema; empty: it has none
	Fields     []Field // of an object, and of what is in it
	Example    string  // JSON; empty: there is none
}

// Field is one member of an object.
type Field struct {
	Name, Type, Description string // Name is a path: accepted_by.name, series[].points[].count
	Required                bool
}

// Response is what is answered with one status.
type Response struct {
	Status, Description string
	Body                *Body // nil: it is empty
}

// Reference is the document by tag, for a page of reference. It is read once; callers
// must not change it.
var Reference = sync.OnceValues(func() ([]Group, error) {
	var d document
	if err := yaml.Unmarshal(YAML, &d); err != nil {
		return nil, fmt.Errorf("read the description of the API: %w", err)
	}
	groups := make([]Group, len(d.Tags))
	at := map[string]int{}
	for i, t := range d.Tags {
		groups[i] = Group{Name: t.Name, Description: t.Description}
		at[t.Name] = i
	}
	for p := 0; p+1 < len(d.Paths.Content); p += 2 { // a yaml.Node keeps the order
		var item yaml.Node = *d.Paths.Content[p+1]
		for m := 0; m+1 < len(item.Content); m += 2 {
			var o operation
			if err := item.Content[m+1].Decode(&o); err != nil {
				return nil, fmt.Errorf("read an operation of the API: %w", err)
			}
			i, ok := at[o.Tags[0]]
			if !ok {
				return nil, fmt.Errorf("the tag %q of an operation is not listed", o.Tags[0])
			}
			made := d.operation(&o)
			made.Method, made.Path = strings.ToUpper(item.Content[m].Value), d.Paths.Content[p].Value
			groups[i].Operations = append(groups[i].Operations, made)
		}
	}
	return groups, nil
})

func (d *document) operation(o *operation) Operation {
	made := Operation{ID: o.ID, Summary: o.Summary, Description: strings.TrimSpace(o.Description), Auth: o.Auth, Role: o.Role, Staff: o.Staff, Action: o.Action}
	for _, p := range o.Parameters {
		if name, ok := strings.CutPrefix(p.Ref, "#/components/parameters/"); ok {
			p = d.Components.Parameters[name]
		}
		made.Parameters = append(made.Parameters, Parameter{p.Name, p.In, d.typeOf(p.Schema), p.Description, p.Required})
	}
	if o.Body != nil {
		made.Body = d.body(o.Body.Content)
		made.Body.Required = o.Body.Required
	}
	for status, r := range o.Responses {
		if name, ok := strings.CutPrefix(r.Ref, "#/components/responses/"); ok {
			r = d.Components.Responses[name]
		}
		made.Responses = append(made.Responses, Response{status, r.Description, d.body(r.Content)})
	}
	slices.SortFunc(made.Responses, func(a, b Response) int { return cmp.Compare(a.Status, b.Status) })
	return made
}
