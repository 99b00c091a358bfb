package report

import (
	"errors"
	"time"

	"github.com/lethe-analytics/lethe/shared/gcp"
)

// Config is report's environment.
type Config struct {
	gcp.Config
	// Timeout is how long a report may take before its caller gets a 503.
	Timeout time.Duration `env:"LETHE_REPORT_TIMEOUT, default=5m"`
}

// Validate implements gcp.Load's contract.
func (c *Config) Validate() error {
	return errors.Join(c.Config.Validate(), gcp.Positive(map[string]time.Duration{
		"LETHE_REPORT_TIMEOUT": c.Timeout,
	}))
}
