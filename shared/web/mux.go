package web

import (
	"net/http"
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
	methods := map[string][]string{}
	for _, route := range routes {
		mux.Handle(route.Method+" "+route.Path, Handle(route.Handler))
		methods[route.Path] = append(methods[route.Path], route.Method)
		if route.Method == http.MethodGet {
			methods[route.Path] = append(methods[route.Path], http.MethodHead)
		}
	}
	for path, allowed := range methods {
		mux.Handle(path, Handle(func(w http.ResponseWriter, r *http.Request) error {
			w.Header().Set("Allow", strings.Join(allowed, ", "))
			return fault.New(fault.Method, "this path takes %s", strings.Join(allowed, ", "))
		}))
	}
	mux.Handle("/", Handle(func(http.ResponseWriter, *http.Request) error {
		return fault.New(fault.NotFound, "there is nothing at this path")
	}))
	return mux
}
