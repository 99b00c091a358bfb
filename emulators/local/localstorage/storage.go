// Package localstorage is Cloud Storage on one machine: fake-gcs-server behind a verifier
// of signed URLs. It stands apart from package local because the storage client is a
// quarter of what most tests would have to be linked with.
package localstorage

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsouza/fake-gcs-server/fakestorage"

	"github.com/lethe-analytics/lethe/emulators/local"
)

// SigningAccount is the service account whose key the storage fake accepts.
const SigningAccount = "signer@lethe-local.iam.gserviceaccount.com"

// Storage is a fake Cloud Storage (fake-gcs-server) that refuses signed URLs as
// the real service would.
type Storage struct {
	Host    string // for STORAGE_EMULATOR_HOST
	KeyFile string // PEM file of the key to sign URLs with, as SigningAccount

	fake   *fakestorage.Server
	server *http.Server
}

// Start serves a fake whose objects are in memory, or in dir/objects if
// keep is true. The signing key is in dir in either case.
func Start(dir string, keep bool) (*Storage, error) {
	keyFile := filepath.Join(dir, "signing-key.pem")
	key, err := signingKey(keyFile)
	if err != nil {
		return nil, fmt.Errorf("signing key: %w", err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := ln.Addr().String()
	o := fakestorage.Options{NoListener: true, Scheme: "http", PublicHost: addr, ExternalURL: "http://" + addr}
	if keep {
		o.StorageRoot = filepath.Join(dir, "objects")
	}
	fake, err := fakestorage.NewServerWithOptions(o)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start storage: %w", err), ln.Close())
	}
	s := &Storage{Host: addr, KeyFile: keyFile, fake: fake}
	check := verifier{account: SigningAccount, key: &key.PublicKey, now: time.Now}
	s.server = &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isAPI(r.URL.EscapedPath()) {
			if refused := check.verify(r); refused != nil {
				refused.write(w)
				return
			}
			r.Host = addr // the fake knows its public host by one name only
		}
		fake.HTTPHandler().ServeHTTP(w, r)
	})}
	go func() { _ = s.server.Serve(ln) }() // ends by Stop
	return s, nil
}

// CreateBucket makes a bucket, if there is none of that name.
func (s *Storage) CreateBucket(name string) {
	s.fake.CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: name})
}

// Stop ends the fake.
func (s *Storage) Stop() {
	_ = s.server.Close()
	s.fake.Stop()
}

// isAPI tells the JSON API, which functions call with credentials of their own
// (locally: none), from the media URLs that are handed out signed.
func isAPI(path string) bool {
	for _, prefix := range []string{"/storage/v1/", "/upload/", "/download/", "/batch/", "/_internal/"} {
		if strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return false
}

// signingKey reads the key of a file, or makes it.
func signingKey(file string) (*rsa.PrivateKey, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return newSigningKey(file)
	}
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s is not PEM", file)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	rsaKey, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s holds no RSA key", file)
	}
	return rsaKey, nil
}

func newSigningKey(file string) (*rsa.PrivateKey, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	return key, local.WriteKey(file, key)
}
