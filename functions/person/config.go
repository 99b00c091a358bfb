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
	// PublishTimeout is how long publishing a slice of a rectification, or the job that
	// spreads a consent, may take.
	PublishTimeout time.Duration `env:"LETHE_PERSON_PUBLISH_TIMEOUT, default=10s"`
	// Slice is how long the worker goes on before it publishes the next slice, well
	// within the acknowledgement deadline of 60 seconds.
	Slice time.Duration `env:"LETHE_PERSON_SLICE, default=25s"`
}

// Validate implements gcp.Load's contract.
func (c *Config) Validate() error {
	return errors.Join(c.Config.Validate(), gcp.Positive(map[string]time.Duration{
		"LETHE_PERSON_TIMEOUT":         c.Timeout,
		"LETHE_PERSON_PUBLISH_TIMEOUT": c.PublishTimeout,
		"LETHE_PERSON_SLICE":           c.Slice,
	}))
}
