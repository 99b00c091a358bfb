package admin

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
	// LogKeyFile has the key that signs the checkpoints of the access log.
	LogKeyFile string `env:"LETHE_LOG_KEY_FILE, required"`
	// LogKeysEarlier are the verifier keys of those that signed before it.
	LogKeysEarlier []string `env:"LETHE_LOG_KEYS_EARLIER"`
	// PublicURL is where the API is reached: the issuer of evidence.
	PublicURL string `env:"LETHE_PUBLIC_URL, required"`
	// ReceiptKeyFile is a PEM file with the key that signs evidence, the same as of
	// receipts; ReceiptKMSKey is the version of a key in Cloud KMS instead.
	ReceiptKeyFile string `env:"LETHE_RECEIPT_KEY_FILE"`
	ReceiptKMSKey  string `env:"LETHE_RECEIPT_KMS_KEY"`
	// Timeout is how long an answer may take before its caller gets a 503; the whole
	// of the access log is one answer.
	Timeout time.Duration `env:"LETHE_ADMIN_TIMEOUT, default=5m"`
	// PublishTimeout is how long publishing a message may take.
	PublishTimeout time.Duration `env:"LETHE_ADMIN_PUBLISH_TIMEOUT, default=10s"`
}

// Validate implements gcp.Load's contract.
func (c *Config) Validate() error {
	var err error
	if c.Bucket == "" {
		err = errors.New("LETHE_BUCKET is not set")
	}
	return errors.Join(c.Config.Validate(), err, gcp.Positive(map[string]time.Duration{
		"LETHE_ADMIN_TIMEOUT":         c.Timeout,
		"LETHE_ADMIN_PUBLISH_TIMEOUT": c.PublishTimeout,
	}))
}

// openSigner opens the key that signs evidence.
func (c *Config) openSigner(ctx context.Context) (*receipt.Signer, error) {
	if (c.ReceiptKeyFile == "") == (c.ReceiptKMSKey == "") {
		return nil, errors.New("set one of LETHE_RECEIPT_KEY_FILE and LETHE_RECEIPT_KMS_KEY")
	}
	if c.ReceiptKMSKey != "" {
		return receipt.OpenKMS(ctx, c.ReceiptKMSKey)
	}
	return receipt.OpenFile(c.ReceiptKeyFile)
}
