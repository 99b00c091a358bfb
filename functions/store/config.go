package store

import (
	"errors"
	"time"

	"github.com/lethe-analytics/lethe/shared/gcp"
)

// Config is store's environment.
type Config struct {
	gcp.Config
	// PublishTimeout is how long parking a dead letter may take.
	PublishTimeout time.Duration `env:"LETHE_STORE_PUBLISH_TIMEOUT, default=10s"`
}

// Validate implements gcp.Load's contract.
func (c *Config) Validate() error {
	return errors.Join(c.Config.Validate(), gcp.Positive(map[string]time.Duration{
		"LETHE_STORE_PUBLISH_TIMEOUT": c.PublishTimeout,
	}))
}
