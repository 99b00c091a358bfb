package retention

import (
	"errors"
	"time"

	"github.com/lethe-analytics/lethe/shared/gcp"
)

// Config is the environment of both entry points.
type Config struct {
	gcp.Config
	// Timeout is how long an answer may take before its caller gets a 503.
	Timeout time.Duration `env:"LETHE_RETENTION_TIMEOUT, default=60s"`
	// PreviewTime is how long a preview counts before it says "at least".
	PreviewTime time.Duration `env:"LETHE_RETENTION_PREVIEW_TIME, default=20s"`
	// PublishTimeout is how long publishing a slice may take.
	PublishTimeout time.Duration `env:"LETHE_RETENTION_PUBLISH_TIMEOUT, default=10s"`
	// Slice is how long the worker goes on before it publishes the next slice, well
	// within the acknowledgement deadline of 60 seconds.
	Slice time.Duration `env:"LETHE_RETENTION_SLICE, default=25s"`
	// SweepIdle is for how long nothing comes once all dead letters have been seen.
	SweepIdle time.Duration `env:"LETHE_RETENTION_SWEEP_IDLE, default=4s"`

	// Now is the clock that days are counted by; nil: the real one.
	Now func() time.Time
}

// Validate implements gcp.Load's contract.
func (c *Config) Validate() error {
	var bucket error
	if c.Bucket == "" {
		bucket = errors.New("LETHE_BUCKET is not set")
	}
	return errors.Join(c.Config.Validate(), bucket, gcp.Positive(map[string]time.Duration{
		"LETHE_RETENTION_TIMEOUT":         c.Timeout,
		"LETHE_RETENTION_PREVIEW_TIME":    c.PreviewTime,
		"LETHE_RETENTION_PUBLISH_TIMEOUT": c.PublishTimeout,
		"LETHE_RETENTION_SLICE":           c.Slice,
		"LETHE_RETENTION_SWEEP_IDLE":      c.SweepIdle,
	}))
}

func (c *Config) now() time.Time {
	if c.Now != nil {
		return c.Now().UTC().Truncate(time.Microsecond)
	}
	return time.Now().UTC().Truncate(time.Microsecond) // as Firestore keeps it
}
