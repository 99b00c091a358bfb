package local

// This file is for tests, of any package.

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/lethe-analytics/lethe/shared/openapi/check"
)

// Serve has a handler answer, and holds request and answer against the description of
// the API. It panics where they differ: the description or the handler is wrong.
func Serve(h http.Handler, rec *httptest.ResponseRecorder, r *http.Request) {
	var violated error
	contract().Wrap(h, func(err error) { violated = err }).ServeHTTP(rec, r)
	if violated != nil {
		panic("shared/openapi/openapi.yaml: " + violated.Error())
	}
}

// Checked is a handler whose requests and answers are held against the description of
// the API; the test fails where they differ. It must not end before its server.
func Checked(t testing.TB, h http.Handler) http.Handler {
	return contract().Wrap(h, func(err error) { t.Errorf("shared/openapi/openapi.yaml: %v", err) })
}

func contract() *check.Spec {
	s, err := check.Load()
	if err != nil {
		panic(err)
	}
	return s
}
