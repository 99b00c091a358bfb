package person

import (
	"errors"
	"fmt"
	"time"

	"github.com/lethe-analytics/lethe/shared/gcp"
)

// Config is person's environment.
type Config struct {
	gcp.Config
	// Timeout is how long an answer may take before its caller gets a 503.
	Timeout time.Duration `env:"LETHE_PERSON_TIMEOUT, default=60s"`
}

// Validate implements gcp.Load's contract.
func (c *Config) Validate() error {
	errs := []error{c.Config.Validate()}
	if c.Timeout <= 0 {
		errs = append(errs, fmt.Errorf("LETHE_PERSON_TIMEOUT must be positive, is %v", c.Timeout))
	}
	return errors.Join(errs...)
}
