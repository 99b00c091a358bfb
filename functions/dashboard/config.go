package dashboard

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/lethe-analytics/lethe/shared/gcp"
)

// Config is dashboard's environment. It names no database, topic or bucket.
type Config struct {
	// APIURL is where the API is called; PublicURL is where browsers reach the pages.
	APIURL    string `env:"LETHE_API_URL, required"`
	PublicURL string `env:"LETHE_PUBLIC_URL, required"`
	// Timeout is how long a call of the API may take; reports are the longest.
	Timeout time.Duration `env:"LETHE_DASHBOARD_TIMEOUT, default=5m"`
	// StaffClient and StaffSecret are the OAuth client by which staff sign in with
	// Google. With either empty, staff can not sign in.
	StaffClient string `env:"LETHE_STAFF_AUDIENCE, default="`
	StaffSecret string `env:"LETHE_STAFF_CLIENT_SECRET, default="`
	// StaffAuthURL and StaffTokenURL are the issuer's two OAuth 2.0 endpoints.
	StaffAuthURL  string `env:"LETHE_STAFF_AUTH_URL, default=https://accounts.google.com/o/oauth2/v2/auth"`
	StaffTokenURL string `env:"LETHE_STAFF_TOKEN_URL, default=https://oauth2.googleapis.com/token"`
}

// Validate implements gcp.Load's contract.
func (c *Config) Validate() error {
	var errs []error
	for name, text := range map[string]string{
		"LETHE_API_URL": c.APIURL, "LETHE_PUBLIC_URL": c.PublicURL,
		"LETHE_STAFF_AUTH_URL": c.StaffAuthURL, "LETHE_STAFF_TOKEN_URL": c.StaffTokenURL,
	} {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			errs = append(errs, fmt.Errorf("%s is not an absolute URL", name))
		}
	}
	return errors.Join(errors.Join(errs...), gcp.Positive(map[string]time.Duration{"LETHE_DASHBOARD_TIMEOUT": c.Timeout}))
}
