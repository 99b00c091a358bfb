// Package gcp opens Google Cloud's clients from the environment, each only when
// it is first needed.
//
//	environment ─envconfig─▶ Config ─▶ Firestore | PubSub | Storage | Logging
//
// With the *_EMULATOR_HOST variables set the same clients speak to the local
// system (see emulators/).
package gcp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/sethvargo/go-envconfig"
)

// Config names the Google Cloud resources that a process works with.
type Config struct {
	// Project is the Google Cloud project (not a customer's project).
	Project string `env:"GOOGLE_CLOUD_PROJECT, required"`
	// Bucket holds request archives and log checkpoints.
	Bucket string `env:"LETHE_BUCKET"`
	// LoggingHost is the address of a local Cloud Logging; empty means Google's.
	// The other services have standard variables, which their clients read.
	LoggingHost string `env:"LOGGING_EMULATOR_HOST"`
}

var projectID = regexp.MustCompile(`^[a-z][a-z0-9-]{4,61}[a-z0-9]$`)

// Validate reports every problem of the configuration at once.
func (c *Config) Validate() error {
	var errs []error
	if !projectID.MatchString(c.Project) {
		errs = append(errs, fmt.Errorf("GOOGLE_CLOUD_PROJECT %q is not a project id", c.Project))
	}
	if _, err := TrustedHops(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Load fills a configuration struct from the process environment and validates
// it. Functions embed Config in a struct of their own.
func Load(ctx context.Context, into interface{ Validate() error }) error {
	return LoadFrom(ctx, into, envconfig.OsLookuper())
}

// LoadFrom is Load with the variables from elsewhere, for tests.
func LoadFrom(ctx context.Context, into interface{ Validate() error }, from envconfig.Lookuper) error {
	if err := envconfig.ProcessWith(ctx, &envconfig.Config{Target: into, Lookuper: from}); err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	if err := into.Validate(); err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	return nil
}

// Positive reports, for Validate, each named duration that is not above zero.
func Positive(durations map[string]time.Duration) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(durations)) {
		if d := durations[name]; d <= 0 {
			errs = append(errs, fmt.Errorf("%s must be positive, is %v", name, d))
		}
	}
	return errors.Join(errs...)
}
