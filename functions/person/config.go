package person

import (
	"errors"
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
	return errors.Join(c.Config.Validate(), gcp.Positive(map[string]time.Duration{
		"LETHE_PERSON_TIMEOUT": c.Timeout,
	}))
}
