// Package check holds requests and answers against the description of the API. It is
// for tests and the local system; no function imports it.
//
//	request ─▶ Spec.Wrap ─▶ handler ─▶ answer
//	                └─ copies of both ─▶ the operation of the path ─▶ JSON Schema ─▶ violated(err)
//
// Every answer must be one that the description has. A request is looked at where it
// was taken: what tests break on purpose is answered with 4xx.
package check

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/openapi"
)

// Spec is a description that is ready to be checked against, by many at a time.
type Spec struct {
	operations map[string]*operation // by method and path
	routes     *http.ServeMux
	loader     *loader
}

type operation struct {
	method, path string
	parameters   map[string]parameter // of the query
	body         map[string]*jsonschema.Schema
	bodyRequired bool
	responses    map[int]map[string]*jsonschema.Schema // by status and media type; nil: without a body
}

type parameter struct {
	schema   *jsonschema.Schema
	required bool
	list     bool
	number   bool
}

// Load compiles the description, once for the process.
var Load = sync.OnceValues(func() (*Spec, error) { return compile(openapi.YAML) })

// compile compiles a description.
func compile(text []byte) (*Spec, error) {
	var tree any
	if err := yaml.Unmarshal(text, &tree); err != nil {
		return nil, fmt.Errorf("read the description: %w", err)
	}
	plain, err := json.Marshal(tree)
	if err != nil {
		return nil, fmt.Errorf("read the description: %w", err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(plain))
	if err != nil {
		return nil, fmt.Errorf("read the description: %w", err)
	}
	l := &loader{doc: doc, compiler: jsonschema.NewCompiler()}
	l.compiler.AssertFormat()
	if err := l.compiler.AddResource(resource, doc); err != nil {
		return nil, fmt.Errorf("compile the description: %w", err)
	}
	s := &Spec{operations: map[string]*operation{}, routes: http.NewServeMux(), loader: l}
	paths := l.at("/paths")
	for path, item := range paths {
		for method := range item.(map[string]any) {
			o, err := l.operation(path, method)
			if err != nil {
				return nil, fmt.Errorf("%s %s: %w", method, path, err)
			}
			s.operations[o.method+" "+o.path] = o
		}
	}
	for _, e := range access.Endpoints {
		s.routes.Handle(e.Method+" "+e.Path, http.NotFoundHandler())
		if e.Auth == access.AuthToken { // mixpanel-js posts to the slash paths
			s.routes.Handle(e.Method+" "+e.Path+"/{$}", http.NotFoundHandler())
		}
	}
	return s, nil
}

// templated is the path of an endpoint as OpenAPI writes it.
func templated(path string) string {
	return strings.NewReplacer("...}", "}", "/{$}", "").Replace(path)
}

// find is the operation of a request; nil: it is for none. That no endpoint lacks one,
// package openapi tests.
func (s *Spec) find(r *http.Request) *operation {
	_, pattern := s.routes.Handler(r)
	return s.operations[templated(pattern)]
}

// request checks one that was taken.
func (o *operation) request(r *http.Request, body []byte) error {
	var errs []error
	query := r.URL.Query()
	for name, values := range query {
		p, known := o.parameters[name]
		if !known {
			if strings.HasPrefix(o.path, "/v1/") {
				errs = append(errs, fmt.Errorf("parameter %s is taken, but is not described", name))
			}
			continue
		}
		if err := p.check(values); err != nil {
			errs = append(errs, fmt.Errorf("parameter %s: %w", name, err))
		}
	}
	for name, p := range o.parameters {
		if p.required && len(query[name]) == 0 {
			errs = append(errs, fmt.Errorf("parameter %s is said to be required, and is not", name))
		}
	}
	if o.body != nil {
		if err := o.requestBody(r, body); err != nil {
			errs = append(errs, fmt.Errorf("body of the request: %w", err))
		}
	}
	return errors.Join(errs...)
}

func (p *parameter) check(values []string) error {
	if len(values) == 1 && values[0] == "" && !p.list { // empty is absent
		return nil
	}
	var v any = values[0]
	switch {
	case p.list:
		all := make([]any, len(values))
		for i := range values {
			all[i] = values[i]
		}
		v = all
	case p.number:
		v = json.Number(values[0])
		if _, err := strconv.ParseFloat(values[0], 64); err != nil {
			return errors.New("is no number")
		}
	}
	return p.schema.Validate(v)
}

// requestBody checks a body. JSON is known by how it begins: callers name it as they
// like. Of /track and /engage, which take the good items of a list and answer 200
// whatever the others are, bodies are not looked at.
func (o *operation) requestBody(r *http.Request, body []byte) error {
	if o.path == "/track" || o.path == "/engage" {
		return nil
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if o.body[kind] == nil || kind != "application/x-ndjson" {
		kind = "application/json"
	}
	body = bytes.TrimSpace(body)
	if len(body) == 0 {
		if o.bodyRequired {
			return errors.New("is said to be required, and is not")
		}
		return nil
	}
	if kind != "application/json" || len(o.body) > 1 && body[0] != '{' && body[0] != '[' { // lines, or a form
		return nil
	}
	return validate(o.body[kind], body)
}

// answer checks what was answered.
func (o *operation) answer(r *http.Request, status int, h http.Header, body []byte) error {
	media, ok := o.responses[status]
	if !ok {
		return errors.New("the status is not described")
	}
	if r.Method == http.MethodHead || h.Get("Content-Encoding") != "" {
		return nil
	}
	if media == nil {
		if len(body) > 0 {
			return errors.New("a body, where none is described")
		}
		return nil
	}
	kind, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		return fmt.Errorf("Content-Type: %w", err)
	}
	schema, ok := media[kind]
	switch {
	case !ok:
		return fmt.Errorf("the media type %s is not described", kind)
	case kind == "application/json" || strings.HasSuffix(kind, "+json"):
		return validate(schema, body)
	case strings.HasPrefix(kind, "text/") || kind == "application/jose":
		return schema.Validate(string(body))
	}
	return nil
}

func validate(s *jsonschema.Schema, body []byte) error {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("is not JSON: %w", err)
	}
	return s.Validate(v)
}

// escaped is a token of a JSON pointer in a URL's fragment.
func escaped(token string) string {
	return url.PathEscape(strings.NewReplacer("~", "~0", "/", "~1").Replace(token))
}
