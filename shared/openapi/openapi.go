// Package openapi owns the description of the whole API, in OpenAPI 3.1.
//
//	openapi.yaml ─┬─▶ YAML ─▶ served as /openapi.yaml
//	              ├─▶ Reference ─▶ the page of the API's reference
//	              └─▶ package check ─▶ requests and answers of every test are held against it
//
// Its operations are those of access.Endpoints, whose callers stand in it as
// x-lethe-auth, x-lethe-role, x-lethe-staff and x-lethe-action; a test compares both
// ways. The package is light: a function that serves the page needs nothing that
// validates.
package openapi

import _ "embed"

// YAML is the description, as it is served.
//
//go:embed openapi.yaml
var YAML []byte
