package incident

import (
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"time"

	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/webhook"
)

// Config is the environment of all three entry points.
type Config struct {
	gcp.Config
	Webhook webhook.Config
	Mail    MailConfig
	// PublicURL is where the API is reached; e-mails say where to acknowledge.
	PublicURL string `env:"LETHE_PUBLIC_URL, required"`
	// Timeout is how long an answer may take before its caller gets a 503.
	Timeout time.Duration `env:"LETHE_INCIDENT_TIMEOUT, default=60s"`
	// PublishTimeout is how long publishing a message may take.
	PublishTimeout time.Duration `env:"LETHE_INCIDENT_PUBLISH_TIMEOUT, default=10s"`
}

// MailConfig is how e-mails are sent.
type MailConfig struct {
	Host     string `env:"LETHE_SMTP_HOST, required"`
	Port     int    `env:"LETHE_SMTP_PORT, default=587"`
	User     string `env:"LETHE_SMTP_USER"` // empty: without authentication
	Password string `env:"LETHE_SMTP_PASSWORD"`
	// Plain does without TLS, for the local system.
	Plain bool `env:"LETHE_SMTP_PLAIN"`
	// From is the sender's address, and Security that of the processor's own people,
	// who are the contact for customers too.
	From     string `env:"LETHE_MAIL_FROM, required"`
	Security string `env:"LETHE_SECURITY_MAIL, required"`
	// Timeout is how long the server may take over a mail, well within the
	// acknowledgement deadline of 60 seconds.
	Timeout time.Duration `env:"LETHE_SMTP_TIMEOUT, default=15s"`
}

// Validate implements gcp.Load's contract.
func (c *Config) Validate() error {
	c.PublicURL = strings.TrimSuffix(c.PublicURL, "/")
	errs := []error{c.Config.Validate(), c.Webhook.Validate(), gcp.Positive(map[string]time.Duration{
		"LETHE_INCIDENT_TIMEOUT":         c.Timeout,
		"LETHE_INCIDENT_PUBLISH_TIMEOUT": c.PublishTimeout,
		"LETHE_SMTP_TIMEOUT":             c.Mail.Timeout,
	})}
	for name, address := range map[string]string{"LETHE_MAIL_FROM": c.Mail.From, "LETHE_SECURITY_MAIL": c.Mail.Security} {
		if a, err := mail.ParseAddress(address); err != nil || a.Address != address {
			errs = append(errs, fmt.Errorf("%s is not an e-mail address", name))
		}
	}
	if c.Mail.Port < 1 || c.Mail.Port > 65535 {
		errs = append(errs, fmt.Errorf("LETHE_SMTP_PORT %d is not a port", c.Mail.Port))
	}
	return errors.Join(errs...)
}
