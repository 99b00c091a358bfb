package dashboard

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/openapi"
)

// The API's reference, for whoever wants to read it:
//
//	openapi.YAML ─┬─▶ GET /openapi.yaml, for programs
//	              └─▶ openapi.Reference ─▶ GET /reference ─▶ GET /reference/{tag}#{operation}

// operations is a tag of the description on its way to a page.
type operations struct {
	Name string
	Path string // of its page
	Text template.HTML
	List []operation
}

// operation is one operation as it is shown.
type operation struct {
	openapi.Operation
	Text     template.HTML
	Callers  []string
	Curl     string
	Inputs   []inputs
	Body     *body
	Answers  []answer // of success
	Failures []answer
}

// inputs are the parameters that stand at one place: path, query, header.
type inputs struct {
	In     string
	Fields []member
}

// member is a parameter or a member of a body.
type member struct {
	Name, Type string
	Required   bool
	Text       template.HTML
}

type body struct {
	MediaTypes string
	Required   bool
	Fields     []member
	Example    string
}

type answer struct {
	Status string
	Text   template.HTML
	Body   *body // nil: it is empty
}

var descriptionTag = func() string {
	sum := sha256.Sum256(openapi.YAML)
	return `"` + hex.EncodeToString(sum[:8]) + `"`
}()

// description answers GET /openapi.yaml (https://www.rfc-editor.org/rfc/rfc9512 has the
// media type). Any page may read it: tools that show it run in browsers.
func (s *server) description(v *visit) error {
	v.public()
	h := v.w.Header()
	h.Set("Content-Type", "application/yaml")
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("ETag", descriptionTag)
	http.ServeContent(v.w, v.r, "", time.Time{}, bytes.NewReader(openapi.YAML))
	return nil
}

// referencePage answers GET /reference: what there is, by tag.
func (s *server) referencePage(v *visit) error {
	groups, err := openapi.Reference()
	if err != nil {
		return err
	}
	var data struct {
		Tags    []operations
		Problem []member // of an error
	}
	for _, g := range groups {
		tag := operations{Name: g.Name, Path: tagPath(g.Name), Text: markdown(g.Description)}
		for _, o := range g.Operations {
			tag.List = append(tag.List, operation{Operation: o})
			for _, r := range o.Responses {
				if data.Problem == nil && r.Body != nil && r.Body.Schema == "Problem" {
					data.Problem = fieldsOf(r.Body.Fields)
				}
			}
		}
		data.Tags = append(data.Tags, tag)
	}
	v.public()
	return v.render("reference", "API reference", data)
}

// referenceTag answers GET /reference/{tag}: its operations in full.
func (s *server) referenceTag(v *visit) error {
	groups, err := openapi.Reference()
	if err != nil {
		return err
	}
	var tags []link
	at := -1
	for i, g := range groups {
		path := tagPath(g.Name)
		if path == "/reference/"+v.r.PathValue("tag") {
			at = i
		}
		tags = append(tags, link{Name: g.Name, Path: path, Here: at == i})
	}
	if at < 0 {
		return fault.New(fault.NotFound, "the API has no such part")
	}
	data := struct {
		operations
		Tags []link
	}{operations{Name: groups[at].Name, Text: markdown(groups[at].Description)}, tags}
	for _, o := range groups[at].Operations {
		data.List = append(data.List, s.operation(o))
	}
	v.public()
	return v.render("reference_tag", groups[at].Name+": API reference", data)
}

// tagPath is where the operations of a tag are shown.
func tagPath(name string) string {
	return "/reference/" + strings.ReplaceAll(strings.ToLower(name), " ", "-")
}

func (s *server) operation(o openapi.Operation) operation {
	shown := operation{Operation: o, Text: markdown(o.Description), Callers: callers(o), Curl: curl(s.publicURL(), o), Body: bodyOf(o.Body)}
	for _, in := range []string{"path", "query", "header", "cookie"} {
		group := inputs{In: in}
		for _, p := range o.Parameters {
			if p.In == in {
				group.Fields = append(group.Fields, member{p.Name, p.Type, p.Required, markdown(p.Description)})
			}
		}
		if group.Fields != nil {
			shown.Inputs = append(shown.Inputs, group)
		}
	}
	for _, r := range o.Responses {
		a := answer{r.Status, markdown(r.Description), bodyOf(r.Body)}
		if r.Status < "4" {
			shown.Answers = append(shown.Answers, a)
		} else {
			shown.Failures = append(shown.Failures, a)
		}
	}
	return shown
}

func bodyOf(b *openapi.Body) *body {
	if b == nil {
		return nil
	}
	return &body{strings.Join(b.MediaTypes, ", "), b.Required, fieldsOf(b.Fields), b.Example}
}

func fieldsOf(list []openapi.Field) (fields []member) {
	for _, f := range list {
		fields = append(fields, member{f.Name, f.Type, f.Required, markdown(f.Description)})
	}
	return fields
}

// callers says who may call, from what access.Endpoints says.
func callers(o openapi.Operation) (list []string) {
	switch access.Auth(o.Auth) {
	case access.AuthPublic:
		return []string{"anybody"}
	case access.AuthToken:
		return []string{"an SDK token"}
	}
	switch o.Role {
	case "":
	case "reader":
		list = append(list, "any API key")
	case "privacy":
		list = append(list, "an API key with the role privacy or admin")
	default:
		list = append(list, "an API key with the role "+o.Role)
	}
	if len(o.Staff) > 0 {
		staff := slices.Sorted(slices.Values(o.Staff))
		grant := map[bool]string{true: ", under a grant that the customer is told of"}[access.Auth(o.Auth) == access.AuthKey]
		list = append(list, "staff: "+strings.Join(staff, ", ")+grant)
	}
	return list
}

// publicURL is where browsers and SDKs reach Lethe, without a slash at its end.
func (s *server) publicURL() string { return strings.TrimSuffix(s.config.PublicURL, "/") }

// public lets an answer be kept for a while: it is the same for everybody.
func (v *visit) public() { v.w.Header().Set("Cache-Control", "public, max-age=300") }

// mainType is the type of a field without what it may be instead: null, or another of a list.
func mainType(types string) string {
	first, _, _ := strings.Cut(types, " | ")
	return cmp.Or(first, "string")
}
