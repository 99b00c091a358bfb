package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lethe-analytics/lethe/shared/topology"
)

// TestContract shows that the gateway finds an answer that is not described, passes it
// on, and makes the run fail.
func TestContract(t *testing.T) {
	t.Setenv(checkVariable, "1")
	c, err := openContract()
	if err != nil {
		t.Fatal(err)
	}
	body := `{"allowed":true}`
	f := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(f.Close)
	s := &system{functions: map[string]*function{"admin": {Function: topology.Function{Name: "admin"}, port: port(f.Listener)}}, contract: c}
	g := s.gateway()
	put := func() {
		rec := httptest.NewRecorder()
		g.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), "PUT", "/v1/project/staff-access", strings.NewReader(`{"allowed":true}`)))
		if rec.Code != 200 || rec.Body.String() != body {
			t.Errorf("%d %s", rec.Code, rec.Body)
		}
	}
	if put(); c.err() != nil {
		t.Error(c.err())
	}
	body = `{"allowed":1}`
	if put(); c.err() == nil || !strings.HasPrefix(c.err().Error(), "1 answers") {
		t.Errorf("%v", c.err())
	}
	t.Setenv(checkVariable, "")
	if c, err := openContract(); c != nil || err != nil || c.err() != nil {
		t.Error("it looks without being asked to")
	}
}
