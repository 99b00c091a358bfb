package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"strings"
	"time"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/topology"
	"github.com/lethe-analytics/lethe/shared/web"
)

// gateway routes by path, as the load balancer does in production. It differs in
// one thing: the load balancer overwrites X-Client-Region with where the client
// is; here nobody is anywhere, so a client's own header is passed on, and a
// developer can try any country.
func (s *system) gateway() http.Handler {
	proxies := map[string]http.Handler{}
	for name, f := range s.functions {
		proxies[name] = f.proxy()
	}
	// Not a ServeMux: it would redirect paths that it finds untidy.
	return s.contract.wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, ok := route(r.URL.EscapedPath())
		if !ok {
			web.WriteProblem(w, r, fault.New(fault.NotFound, "no such path"))
			return
		}
		ctx := context.WithValue(r.Context(), controllerKey{}, http.NewResponseController(w))
		proxies[name].ServeHTTP(w, r.WithContext(ctx))
	}))
}

// controllerKey finds the control of the client's connection in a context.
type controllerKey struct{}

// giveUpBody ends the reading of a request whose function has answered that it
// takes too long to arrive: the answer would otherwise wait for the rest of it.
func giveUpBody(res *http.Response) error {
	if res.StatusCode == http.StatusRequestTimeout {
		if c, ok := res.Request.Context().Value(controllerKey{}).(*http.ResponseController); ok {
			return c.SetReadDeadline(time.Now())
		}
	}
	return nil
}

// route finds the function of an escaped path: the one with the longest pattern, as the
// load balancer does; dashboard's "/*" takes what no other has.
func route(path string) (function string, ok bool) {
	longest := 0
	for _, f := range topology.Functions {
		for _, pattern := range f.Paths {
			prefix, isPrefix := strings.CutSuffix(pattern, "*")
			if (path == pattern || isPrefix && strings.HasPrefix(path, prefix)) && len(pattern) > longest {
				function, longest = f.Name, len(pattern)
			}
		}
	}
	return function, longest > 0
}

// proxy passes requests to a function's process, path and query to the letter.
func (f *function) proxy() http.Handler {
	transport := &http.Transport{DialContext: f.dial, MaxIdleConnsPerHost: 256, DisableCompression: true}
	host := strings.TrimPrefix(f.url(), "http://")
	return &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = "http", host
			r.Out.URL.RawQuery = r.In.URL.RawQuery
			r.Out.Host = r.In.Host
			// Like the load balancer, add to what the client says.
			r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"]
			r.SetXForwarded()
		},
		ModifyResponse: giveUpBody,
		ErrorHandler:   f.proxyError,
	}
}

// proxyError answers for a function that did not: 503 if nobody listens there
// (it is being started again), 502 if it ended in the middle of the request.
func (f *function) proxyError(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return // the client is gone
	}
	status, detail := http.StatusBadGateway, "the function ended while it worked on the request; whether it finished is not known"
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		status, detail = http.StatusServiceUnavailable, "the function is being started again; try again"
	}
	fmt.Fprintf(os.Stderr, "gateway | %s: %v\n", f.Name, err)
	web.SetRetryHeaders(w.Header(), fault.Unavailable)
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	// An error here means that the client is gone.
	_ = json.NewEncoder(w).Encode(web.Problem{
		Type: "urn:lethe:problem:" + string(fault.Unavailable), Title: http.StatusText(status), Status: status, Detail: detail,
	})
}
