package web

import (
	"net/http"
	"slices"
	"strings"

	"github.com/lethe-analytics/lethe/shared/fault"
)

// Route is one endpoint of a function.
type Route struct {
	Method  string // GET also takes HEAD
	Path    string // a ServeMux pattern without method: /v1/people/{distinct_id}
	Handler Handler
}

// Mux routes requests by method and escaped path, so that a wildcard may hold an
// escaped slash. What no route takes is answered with a problem: 405 with Allow if
// the path has a route, else 404.
func Mux(routes ...Route) http.Handler {
	mux := http.NewServeMux()
	var methods []string
	for _, route := range routes {
		mux.Handle(route.Method+" "+route.Path, Handle(route.Handler))
		methods = append(methods, route.Method)
		if route.Method == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
	}
	slices.Sort(methods)
	methods = slices.Compact(methods)
	// Not a pattern for each path without a method: /a/b would conflict with DELETE /a/{id}.
	mux.Handle("/", Handle(func(w http.ResponseWriter, r *http.Request) error {
		var allowed []string
		for _, method := range methods {
			other := r.WithContext(r.Context())
			other.Method = method
			if _, pattern := mux.Handler(other); pattern != "/" && pattern != "" {
				allowed = append(allowed, method)
			}
		}
		if len(allowed) == 0 {
			return fault.New(fault.NotFound, "there is nothing at this path")
		}
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		return fault.New(fault.Method, "this path takes %s", strings.Join(allowed, ", "))
	}))
	return mux
}
