package objects

import (
	"errors"
	"fmt"
	"os"
	"time"

	"cloud.google.com/go/storage"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/gcp"
)

// Signing says with which key URLs of objects are signed. Without a key file the
// client asks IAM to sign as the function's own service account
// (https://cloud.google.com/storage/docs/access-control/signing-urls-with-helpers).
type Signing struct {
	// KeyFile is a PEM file with an RSA key of Account.
	KeyFile string `env:"LETHE_SIGNING_KEY_FILE"`
	Account string `env:"LETHE_SIGNING_ACCOUNT"`
	// Timeout is how long IAM is asked again while it can not sign.
	Timeout time.Duration `env:"LETHE_SIGNING_TIMEOUT, default=10s"`
}

// MaxURLAge is the longest that a signed URL may live
// (https://cloud.google.com/storage/docs/access-control/signed-urls).
const MaxURLAge = 7 * 24 * time.Hour

// Validate reports what is wrong with the configuration.
func (s *Signing) Validate() error {
	if s.KeyFile != "" && s.Account == "" {
		return errors.New("LETHE_SIGNING_KEY_FILE needs LETHE_SIGNING_ACCOUNT")
	}
	return gcp.Positive(map[string]time.Duration{"LETHE_SIGNING_TIMEOUT": s.Timeout})
}

// URLSigner makes signed URLs of a bucket's objects.
type URLSigner struct {
	bucket  *storage.BucketHandle
	account string
	key     []byte
}

// NewURLSigner makes a URLSigner. The client knows no context for signing, and would ask
// IAM again for ever.
func NewURLSigner(s Signing, bucket *storage.BucketHandle) (*URLSigner, error) {
	u := &URLSigner{bucket: bucket.Retryer(storage.WithMaxRetryDuration(s.Timeout)), account: s.Account}
	if s.KeyFile == "" {
		return u, nil
	}
	var err error
	if u.key, err = os.ReadFile(s.KeyFile); err != nil {
		return nil, fmt.Errorf("read the key of signed URLs: %w", err)
	}
	return u, nil
}

// URL makes a V4 signed URL with which anybody can read an object until it expires.
func (u *URLSigner) URL(object string, expires time.Time) (string, error) {
	o := &storage.SignedURLOptions{Scheme: storage.SigningSchemeV4, Method: "GET", Expires: expires, GoogleAccessID: u.account, PrivateKey: u.key}
	if host := os.Getenv("STORAGE_EMULATOR_HOST"); host != "" { // the client's own variable
		o.Hostname, o.Insecure, o.Style = host, true, storage.PathStyle()
	}
	url, err := u.bucket.SignedURL(object, o)
	if err != nil {
		return "", fault.Wrap(fault.Unavailable, err, "the link could not be signed; try again")
	}
	return url, nil
}
