package erase

import (
	"context"
	"errors"
	"time"

	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/receipt"
)

// Config is the environment of both entry points.
type Config struct {
	gcp.Config
	// PublicURL is where the API is reached: the issuer of receipts.
	PublicURL string `env:"LETHE_PUBLIC_URL, required"`
	// ReceiptKeyFile is a PEM file with the key that signs receipts; ReceiptKMSKey
	// is the version of a key in Cloud KMS instead.
	ReceiptKeyFile string `env:"LETHE_RECEIPT_KEY_FILE"`
	ReceiptKMSKey  string `env:"LETHE_RECEIPT_KMS_KEY"`
	// BackupDays is how long a backup of the databases and the bucket is kept.
	BackupDays int `env:"LETHE_BACKUP_DAYS, default=30"`
	// Timeout is how long an answer may take before its caller gets a 503.
	Timeout time.Duration `env:"LETHE_DELETE_TIMEOUT, default=60s"`
	// PublishTimeout is how long publishing a slice may take.
	PublishTimeout time.Duration `env:"LETHE_DELETE_PUBLISH_TIMEOUT, default=10s"`
	// Slice is how long the worker goes on before it publishes the next slice, well
	// within the acknowledgement deadline of 60 seconds.
	Slice time.Duration `env:"LETHE_DELETE_SLICE, default=25s"`
	// SweepIdle is for how long nothing comes once all dead letters have been seen.
	SweepIdle time.Duration `env:"LETHE_DELETE_SWEEP_IDLE, default=4s"`
}

// Validate implements gcp.Load's contract.
func (c *Config) Validate() error {
	var errs []error
	if (c.ReceiptKeyFile == "") == (c.ReceiptKMSKey == "") {
		errs = append(errs, errors.New("set one of LETHE_RECEIPT_KEY_FILE and LETHE_RECEIPT_KMS_KEY"))
	}
	if c.BackupDays < 0 {
		errs = append(errs, errors.New("LETHE_BACKUP_DAYS must not be negative"))
	}
	if c.Bucket == "" {
		errs = append(errs, errors.New("LETHE_BUCKET is not set"))
	}
	return errors.Join(c.Config.Validate(), errors.Join(errs...), gcp.Positive(map[string]time.Duration{
		"LETHE_DELETE_TIMEOUT":         c.Timeout,
		"LETHE_DELETE_PUBLISH_TIMEOUT": c.PublishTimeout,
		"LETHE_DELETE_SLICE":           c.Slice,
		"LETHE_DELETE_SWEEP_IDLE":      c.SweepIdle,
	}))
}

// openSigner opens the key that signs receipts.
func (c *Config) openSigner(ctx context.Context) (*receipt.Signer, error) {
	if c.ReceiptKMSKey != "" {
		return receipt.OpenKMS(ctx, c.ReceiptKMSKey)
	}
	return receipt.OpenFile(c.ReceiptKeyFile)
}
