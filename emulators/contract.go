package main

import (
	"fmt"
	"net/http"
	"os"
	"sync"

	"github.com/lethe-analytics/lethe/shared/openapi/check"
)

// checkVariable, if it is set, has the gateway hold every request and answer against
// the description of the API (shared/openapi). A difference is told at once, and makes
// the run fail at its end.
const checkVariable = "LETHE_CHECK_API"

// contract counts differences between the API and its description. A nil one looks
// for none.
type contract struct {
	spec *check.Spec

	mu         sync.Mutex
	violations int
}

// openContract makes one, if the environment asks for it.
func openContract() (*contract, error) {
	if os.Getenv(checkVariable) == "" {
		return nil, nil
	}
	spec, err := check.Load()
	return &contract{spec: spec}, err
}

func (c *contract) wrap(h http.Handler) http.Handler {
	if c == nil {
		return h
	}
	return c.spec.Wrap(h, func(err error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.violations++
		fmt.Fprintf(os.Stderr, "gateway | openapi.yaml: %v\n", err)
	})
}

// err is not nil if there were differences.
func (c *contract) err() error {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.violations == 0 {
		return nil
	}
	return fmt.Errorf("%d answers or requests are not as shared/openapi/openapi.yaml says; see the lines that begin with gateway", c.violations)
}
