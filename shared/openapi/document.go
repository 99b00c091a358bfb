package openapi

import (
	"encoding/json"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// document is what a page needs of the description.
type document struct {
	Tags []struct {
		Name, Description string
	}
	Paths      yaml.Node
	Components struct {
		Parameters map[string]parameter
		Responses  map[string]response
		Schemas    map[string]*schema
	}
}

type operation struct {
	Tags                 []string
	ID                   string `yaml:"operationId"`
	Summary, Description string
	Auth                 string   `yaml:"x-lethe-auth"`
	Role                 string   `yaml:"x-lethe-role"`
	Staff                []string `yaml:"x-lethe-staff"`
	Action               string   `yaml:"x-lethe-action"`
	Parameters           []parameter
	Body                 *struct {
		Required bool
		Content  content
	} `yaml:"requestBody"`
	Responses map[string]response
}

type parameter struct {
	Ref                   string `yaml:"$ref"`
	Name, In, Description string
	Required              bool
	Schema                *schema
}

type response struct {
	Ref         string `yaml:"$ref"`
	Description string
	Content     content
}

// content keeps the order of its media types.
type content struct{ yaml.Node }

// UnmarshalYAML implements yaml.Unmarshaler.
func (c *content) UnmarshalYAML(n *yaml.Node) error {
	c.Node = *n
	return nil
}

type schema struct {
	Ref         string `yaml:"$ref"`
	Type        any    // a name, or a list of names
	Description string
	Enum        []any
	Required    []string
	Properties  yaml.Node // in their order
	Items       *schema
	OneOf       []*schema `yaml:"oneOf"`
	AnyOf       []*schema `yaml:"anyOf"`
	Format      string
}

const schemaPrefix = "#/components/schemas/"

// maxDepth is how deep fields within fields are listed.
const maxDepth = 4

func (d *document) body(c content) *Body {
	if len(c.Content) < 2 {
		return nil
	}
	b := &Body{}
	for i := 0; i < len(c.Content); i += 2 {
		b.MediaTypes = append(b.MediaTypes, c.Content[i].Value)
	}
	var first struct {
		Schema  *schema
		Example any
	}
	if c.Content[1].Decode(&first) != nil || first.Schema == nil {
		return b
	}
	b.Schema = strings.TrimPrefix(first.Schema.Ref, schemaPrefix)
	d.fields(b, "", first.Schema, 0)
	if first.Example != nil {
		if text, err := json.MarshalIndent(first.Example, "", "  "); err == nil {
			b.Example = string(text)
		}
	}
	return b
}

// resolve finds what a schema refers to; of a choice, the first.
func (d *document) resolve(s *schema) *schema {
	for range 8 { // a cycle ends
		switch {
		case s == nil:
			return &schema{}
		case s.Ref != "":
			s = d.Components.Schemas[strings.TrimPrefix(s.Ref, schemaPrefix)]
		case len(s.OneOf) > 0:
			s = s.OneOf[0]
		case len(s.AnyOf) > 0:
			s = s.AnyOf[0]
		default:
			return s
		}
	}
	return s
}

func (d *document) fields(b *Body, prefix string, s *schema, depth int) {
	s = d.resolve(s)
	if s.Items != nil {
		d.fields(b, prefix+"[]", s.Items, depth)
		return
	}
	if depth == maxDepth {
		return
	}
	if prefix != "" {
		prefix += "."
	}
	for i := 0; i+1 < len(s.Properties.Content); i += 2 {
		name := s.Properties.Content[i].Value
		var p schema
		if s.Properties.Content[i+1].Decode(&p) != nil {
			continue
		}
		text := p.Description
		if text == "" {
			text = d.resolve(&p).Description
		}
		b.Fields = append(b.Fields, Field{prefix + name, d.typeOf(&p), text, slices.Contains(s.Required, name)})
		d.fields(b, prefix+name, &p, depth+1)
	}
}

// typeOf names a type for a reader: "date-time", "reader | privacy | admin", "list of string".
func (d *document) typeOf(s *schema) string {
	s = d.resolve(s)
	if len(s.Enum) > 0 {
		var values []string
		for _, v := range s.Enum {
			text, err := json.Marshal(v)
			if name, ok := v.(string); ok && name != "" {
				values = append(values, name)
			} else if err == nil && string(text) != `""` {
				values = append(values, string(text))
			}
		}
		return strings.Join(values, " | ")
	}
	var names []string
	switch t := s.Type.(type) {
	case string:
		names = []string{t}
	case []any:
		for _, v := range t {
			if name, ok := v.(string); ok {
				names = append(names, name)
			}
		}
	}
	for i, name := range names {
		switch {
		case name == "array":
			names[i] = "list of " + d.typeOf(s.Items)
		case name == "string" && s.Format != "":
			names[i] = s.Format
		}
	}
	return strings.Join(names, " | ")
}
