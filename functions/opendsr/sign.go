package opendsr

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/web"
)

// Signer signs what the processor says, with RSA PKCS #1 v1.5 over SHA-256: the
// specification names no algorithm, and this is what its verifiers use.
type Signer struct {
	domain string
	key    *rsa.PrivateKey
	cert   []byte // PEM, as it is in the file
}

// NewSigner reads the key and the certificate of a configuration.
func NewSigner(c Config) (*Signer, error) {
	keyPEM, err := os.ReadFile(c.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("configuration: LETHE_OPENDSR_KEY_FILE: %w", err)
	}
	block, _ := pem.Decode(keyPEM)
	if block == nil {
		return nil, errors.New("configuration: LETHE_OPENDSR_KEY_FILE is not PEM")
	}
	private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("configuration: LETHE_OPENDSR_KEY_FILE: %w", err)
	}
	key, ok := private.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("configuration: LETHE_OPENDSR_KEY_FILE has no RSA key")
	}
	certPEM, err := os.ReadFile(c.CertFile)
	if err != nil {
		return nil, fmt.Errorf("configuration: LETHE_OPENDSR_CERT_FILE: %w", err)
	}
	if block, _ = pem.Decode(certPEM); block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("configuration: LETHE_OPENDSR_CERT_FILE is not a certificate in PEM")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("configuration: LETHE_OPENDSR_CERT_FILE: %w", err)
	}
	if !key.PublicKey.Equal(cert.PublicKey) {
		return nil, errors.New("configuration: LETHE_OPENDSR_CERT_FILE is not of the key in LETHE_OPENDSR_KEY_FILE")
	}
	return &Signer{domain: c.Domain, key: key, cert: certPEM}, nil
}

// names are the prefixes of the headers: by one name since version 2.0, by another
// before.
var names = map[string]string{"1.0": "X-OpenGDPR-", "2.0": "X-OpenDSR-"}

// sign puts the signature of a body into the headers of the versions.
func (s *Signer) sign(h http.Header, body []byte, versions ...string) error {
	sum := sha256.Sum256(body)
	signature, err := rsa.SignPKCS1v15(rand.Reader, s.key, crypto.SHA256, sum[:])
	if err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	for _, v := range versions {
		h.Set(names[v]+"Processor-Domain", s.domain)
		h.Set(names[v]+"Signature", base64.StdEncoding.EncodeToString(signature))
	}
	return nil
}

// Paths of version 1.0.
const oldPath = "/opengdpr_requests"

// version is that of the path that a request came by.
func version(r *http.Request) string {
	if strings.HasPrefix(r.URL.Path, oldPath) {
		return "1.0"
	}
	return "2.0"
}

// signed signs every answer of a handler, errors too.
func (s *Signer) signed(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		held := &heldAnswer{ResponseWriter: w, code: http.StatusOK}
		h.ServeHTTP(held, r)
		versions := []string{version(r)}
		if !strings.HasPrefix(r.URL.Path, oldPath) && !strings.HasPrefix(r.URL.Path, newPath) { // who asks may be of either
			versions = []string{"1.0", "2.0"}
		}
		if err := s.sign(w.Header(), held.body.Bytes(), versions...); err != nil {
			slog.ErrorContext(r.Context(), "answer not signed", "error", err.Error())
			web.WriteProblem(w, r, fault.Wrap(fault.Internal, err, "not signed"))
			return
		}
		w.WriteHeader(held.code)
		_, _ = w.Write(held.body.Bytes()) // a client that went away
	})
}

// heldAnswer keeps an answer back until its signature is known.
type heldAnswer struct {
	http.ResponseWriter
	code int
	body bytes.Buffer
}

// WriteHeader implements http.ResponseWriter.
func (h *heldAnswer) WriteHeader(code int) { h.code = code }

// Write implements http.ResponseWriter.
func (h *heldAnswer) Write(b []byte) (int, error) { return h.body.Write(b) }

// Unwrap lets http.ResponseController reach the connection.
func (h *heldAnswer) Unwrap() http.ResponseWriter { return h.ResponseWriter }
