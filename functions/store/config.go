package store

import (
	"errors"
	"fmt"
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
	errs := []error{c.Config.Validate()}
	if c.PublishTimeout <= 0 {
		errs = append(errs, fmt.Errorf("LETHE_STORE_PUBLISH_TIMEOUT must be positive, is %v", c.PublishTimeout))
	}
	return errors.Join(errs...)
}
