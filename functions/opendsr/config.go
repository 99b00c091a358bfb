package opendsr

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/lethe-analytics/lethe/shared/gcp"
)

// Config is opendsr's environment.
type Config struct {
	gcp.Config
	// PublicURL is where the API is reached: https://api.example.com.
	PublicURL string `env:"LETHE_PUBLIC_URL, required"`
	// Domain names the processor to controllers. The certificate is made out to it.
	Domain string `env:"LETHE_OPENDSR_DOMAIN, required"`
	// KeyFile holds the RSA key that signs (PEM, PKCS #8), CertFile its certificate.
	KeyFile  string `env:"LETHE_OPENDSR_KEY_FILE, required"`
	CertFile string `env:"LETHE_OPENDSR_CERT_FILE, required"`
	// AllowLoopback lets callbacks go to this machine, without TLS too. It is for the
	// local system.
	AllowLoopback bool `env:"LETHE_ALLOW_LOOPBACK_CALLBACKS"`
	// Timeout is how long an answer may take before its caller gets a 503.
	Timeout time.Duration `env:"LETHE_OPENDSR_TIMEOUT, default=60s"`
	// PublishTimeout is how long publishing a message may take.
	PublishTimeout time.Duration `env:"LETHE_OPENDSR_PUBLISH_TIMEOUT, default=10s"`
	// CallbackTimeout is how long a callback may take, well within the
	// acknowledgement deadline of 60 seconds.
	CallbackTimeout time.Duration `env:"LETHE_OPENDSR_CALLBACK_TIMEOUT, default=10s"`
}

var validDomain = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$`)

// Validate implements gcp.Load's contract.
func (c *Config) Validate() error {
	errs := []error{c.Config.Validate(), gcp.Positive(map[string]time.Duration{
		"LETHE_OPENDSR_TIMEOUT":          c.Timeout,
		"LETHE_OPENDSR_PUBLISH_TIMEOUT":  c.PublishTimeout,
		"LETHE_OPENDSR_CALLBACK_TIMEOUT": c.CallbackTimeout,
	})}
	c.PublicURL = strings.TrimSuffix(c.PublicURL, "/")
	if u, err := url.Parse(c.PublicURL); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.RawQuery != "" {
		errs = append(errs, fmt.Errorf("LETHE_PUBLIC_URL %q is not a URL", c.PublicURL))
	}
	if !validDomain.MatchString(c.Domain) {
		errs = append(errs, fmt.Errorf("LETHE_OPENDSR_DOMAIN %q is not a domain name in lower case", c.Domain))
	}
	return errors.Join(errs...)
}
