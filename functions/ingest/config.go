package ingest

import (
	"errors"
	"time"

	"github.com/lethe-analytics/lethe/shared/gcp"
)

// Config is ingest's environment.
type Config struct {
	gcp.Config
	// Linger is how long a message stays open for other requests to join at most, while
	// another is on its way or they are expected to come again.
	Linger time.Duration `env:"LETHE_INGEST_LINGER, default=5ms"`
	// EdgeTimeout is how long a read of the edge database may take before the client gets a
	// 503.
	EdgeTimeout time.Duration `env:"LETHE_INGEST_EDGE_TIMEOUT, default=10s"`
	// PublishTimeout is how long Pub/Sub may take before the client gets a 503.
	PublishTimeout time.Duration `env:"LETHE_INGEST_PUBLISH_TIMEOUT, default=10s"`
	// ReadTimeout is how long a request may take to arrive.
	ReadTimeout time.Duration `env:"LETHE_INGEST_READ_TIMEOUT, default=20s"`
	// LargeWait is how long a large request may wait for others before the client gets
	// a 429.
	LargeWait time.Duration `env:"LETHE_INGEST_LARGE_WAIT, default=5s"`
	// CacheTTL is how long tokens, settings and opt-outs are remembered: a change
	// takes that long to bind intake (store applies it at once).
	CacheTTL time.Duration `env:"LETHE_INGEST_CACHE_TTL, default=60s"`
	// TrustRegion believes consent.RegionHeader: only where a load balancer writes it,
	// and nobody comes past that. Else a client could choose the country whose default
	// consent counts.
	TrustRegion bool `env:"LETHE_TRUST_REGION"`
}

// Validate implements gcp.Load's contract.
func (c *Config) Validate() error {
	return errors.Join(c.Config.Validate(), gcp.Positive(map[string]time.Duration{
		"LETHE_INGEST_LINGER":          c.Linger,
		"LETHE_INGEST_EDGE_TIMEOUT":    c.EdgeTimeout,
		"LETHE_INGEST_PUBLISH_TIMEOUT": c.PublishTimeout,
		"LETHE_INGEST_READ_TIMEOUT":    c.ReadTimeout,
		"LETHE_INGEST_LARGE_WAIT":      c.LargeWait,
		"LETHE_INGEST_CACHE_TTL":       c.CacheTTL,
	}))
}
