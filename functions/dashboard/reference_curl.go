package dashboard

import (
	"encoding/json"
	"strings"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/openapi"
)

// curl is an example of an operation for a shell. Words in capitals are the reader's to
// fill in: KEY, TOKEN, ID.
func curl(url string, o openapi.Operation) string {
	path, query := o.Path, []string{}
	for _, p := range o.Parameters {
		switch {
		case p.In == "path":
			path = strings.ReplaceAll(path, "{"+p.Name+"}", strings.ToUpper(p.Name))
		case p.In == "query" && p.Required:
			query = append(query, p.Name+"="+sample(p.Name, p.Type))
		}
	}
	if len(query) > 0 {
		path += "?" + strings.Join(query, "&")
	}
	data, method := example(o.Body), ""
	if !(o.Method == "GET" && data == "" || o.Method == "POST" && data != "") {
		method = "-X " + o.Method + " "
	}
	parts := []string{"curl " + method + "'" + url + path + "'"}
	switch {
	case access.Auth(o.Auth) == access.AuthPublic, o.Path == "/track", o.Path == "/engage": // each event has the token in it
	case access.Auth(o.Auth) == access.AuthToken:
		parts = append(parts, "-u TOKEN:")
	case o.Role == "":
		parts = append(parts, "-H 'Authorization: Bearer ID_TOKEN'")
	default:
		parts = append(parts, "-H 'Authorization: Bearer KEY'")
	}
	if data != "" {
		parts = append(parts, "-H 'Content-Type: "+o.Body.MediaTypes[0]+"'", "-d '"+strings.ReplaceAll(data, "'", `'\''`)+"'")
	}
	return strings.Join(parts, " \\\n  ")
}

// example is a body to send: the description's, or else one of the fields that must be
// there; empty if none must.
func example(b *openapi.Body) string {
	if b == nil {
		return ""
	}
	if b.Example != "" {
		return b.Example
	}
	members := []string{}
	for _, f := range b.Fields {
		if !f.Required || strings.ContainsAny(f.Name, ".[") {
			continue
		}
		value := `"` + sample(f.Name, f.Type) + `"`
		switch t := mainType(f.Type); {
		case t == "integer" || t == "number" || t == "boolean":
			value = sample(f.Name, f.Type)
		case strings.HasPrefix(t, "list of "):
			value = "[" + value + "]"
		case t == "object":
			value = "{}"
		}
		name, _ := json.Marshal(f.Name) // a string always can be
		members = append(members, string(name)+": "+value)
	}
	if len(members) == 0 {
		return ""
	}
	return "{" + strings.Join(members, ", ") + "}"
}

// sample stands for a value: one that would do, or the name in capitals.
func sample(name, types string) string {
	switch t := mainType(types); t {
	case "integer", "number":
		return "1"
	case "boolean":
		return "true"
	case "date":
		return "2026-11-01"
	case "date-time":
		return "2026-11-01T00:00:00Z"
	default:
		if strings.Contains(types, " | ") && t != "string" { // one of a list
			return t
		}
		return strings.ToUpper(name)
	}
}
