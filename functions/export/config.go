package export

import (
	"errors"
	"fmt"
	"time"

	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/objects"
)

// Config is the environment of both entry points.
type Config struct {
	gcp.Config
	Signing objects.Signing
	// URLTTL is how long a link to an archive works.
	URLTTL time.Duration `env:"LETHE_EXPORT_URL_TTL, default=15m"`
	// Timeout is how long an answer may take before its caller gets a 503.
	Timeout time.Duration `env:"LETHE_EXPORT_TIMEOUT, default=60s"`
	// PublishTimeout is how long publishing a slice may take.
	PublishTimeout time.Duration `env:"LETHE_EXPORT_PUBLISH_TIMEOUT, default=10s"`
	// Slice is how long the worker goes on before it publishes the next slice, well
	// within the acknowledgement deadline of 60 seconds.
	Slice time.Duration `env:"LETHE_EXPORT_SLICE, default=25s"`
}

// Validate implements gcp.Load's contract.
func (c *Config) Validate() error {
	var errs []error
	if c.URLTTL > objects.MaxURLAge {
		errs = append(errs, fmt.Errorf("LETHE_EXPORT_URL_TTL must be at most %v, is %v", objects.MaxURLAge, c.URLTTL))
	}
	if c.Bucket == "" {
		errs = append(errs, errors.New("LETHE_BUCKET is not set"))
	}
	return errors.Join(c.Config.Validate(), c.Signing.Validate(), errors.Join(errs...), gcp.Positive(map[string]time.Duration{
		"LETHE_EXPORT_URL_TTL":         c.URLTTL,
		"LETHE_EXPORT_TIMEOUT":         c.Timeout,
		"LETHE_EXPORT_PUBLISH_TIMEOUT": c.PublishTimeout,
		"LETHE_EXPORT_SLICE":           c.Slice,
	}))
}
