package check

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// resource is what the description is called while it is compiled.
const resource = "file:///openapi.yaml"

// loader finds the parts of a description by JSON pointers.
type loader struct {
	doc      any
	compiler *jsonschema.Compiler
	made     int // parameters
}

// at is the object at a pointer, or empty; its references are followed.
func (l *loader) at(pointer string) map[string]any {
	v := l.doc
	for _, token := range strings.Split(pointer, "/")[1:] {
		m, _ := v.(map[string]any)
		v = m[strings.NewReplacer("~1", "/", "~0", "~").Replace(token)]
	}
	m, _ := v.(map[string]any)
	return m
}

// follow is where a pointer leads if a reference stands there.
func (l *loader) follow(pointer string) string {
	if ref, ok := l.at(pointer)["$ref"].(string); ok {
		return strings.TrimPrefix(ref, "#")
	}
	return pointer
}

func token(s string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(s) }

// schema compiles the one at a pointer.
func (l *loader) schema(pointer string) (*jsonschema.Schema, error) {
	var parts []string
	for _, t := range strings.Split(pointer, "/")[1:] {
		parts = append(parts, escaped(strings.NewReplacer("~1", "/", "~0", "~").Replace(t)))
	}
	return l.compiler.Compile(resource + "#/" + strings.Join(parts, "/"))
}

// media compiles the schemas of a content; nil if there is none.
func (l *loader) media(pointer string) (map[string]*jsonschema.Schema, error) {
	all := l.at(pointer)
	if all == nil {
		return nil, nil
	}
	schemas := map[string]*jsonschema.Schema{}
	for kind := range all {
		s, err := l.schema(pointer + "/" + token(kind) + "/schema")
		if err != nil {
			return nil, err
		}
		schemas[kind] = s
	}
	return schemas, nil
}

func (l *loader) operation(path, method string) (_ *operation, err error) {
	at := "/paths/" + token(path) + "/" + method
	o := &operation{method: strings.ToUpper(method), path: path, parameters: map[string]parameter{}, responses: map[int]map[string]*jsonschema.Schema{}}
	list, _ := l.at(at)["parameters"].([]any)
	for _, p := range list {
		if err := l.parameter(o, p.(map[string]any)); err != nil {
			return nil, err
		}
	}
	if o.body, err = l.media(at + "/requestBody/content"); err != nil {
		return nil, err
	}
	o.bodyRequired, _ = l.at(at + "/requestBody")["required"].(bool)
	for status := range l.at(at + "/responses") {
		code, err := strconv.Atoi(status)
		if err != nil {
			return nil, fmt.Errorf("status %q: give each a response of its own", status)
		}
		if o.responses[code], err = l.media(l.follow(at+"/responses/"+status) + "/content"); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// parameter compiles one of the query.
func (l *loader) parameter(o *operation, p map[string]any) error {
	if ref, ok := p["$ref"].(string); ok {
		p = l.at(strings.TrimPrefix(ref, "#"))
	}
	if p["in"] != "query" {
		return nil
	}
	name, _ := p["name"].(string)
	// A schema within a list has no name of its own that the compiler could find.
	l.made++
	where := "file:///parameters/" + strconv.Itoa(l.made)
	s, _ := p["schema"].(map[string]any)
	if ref, ok := s["$ref"].(string); ok {
		s = l.at(strings.TrimPrefix(ref, "#"))
	}
	if err := l.compiler.AddResource(where, absolute(s)); err != nil {
		return err
	}
	compiled, err := l.compiler.Compile(where)
	if err != nil {
		return err
	}
	required, _ := p["required"].(bool)
	o.parameters[name] = parameter{compiled, required, s["type"] == "array", s["type"] == "integer"}
	return nil
}

// absolute has references lead into the description from elsewhere.
func absolute(v any) any {
	switch v := v.(type) {
	case map[string]any:
		made := map[string]any{}
		for k, item := range v {
			if ref, ok := item.(string); ok && k == "$ref" {
				item = resource + ref
			}
			made[k] = absolute(item)
		}
		return made
	case []any:
		made := make([]any, len(v))
		for i := range v {
			made[i] = absolute(v[i])
		}
		return made
	}
	return v
}
