package local

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"github.com/lethe-analytics/lethe/shared/access/merkle"
)

// Keys are the files of the keys with which functions sign: Secret Manager and
// Cloud KMS have them in production.
type Keys struct {
	Receipt     string // PEM, EC P-256: receipts of erasures
	OpenDSR     string // PEM, RSA: OpenDSR's answers
	OpenDSRCert string // PEM: its X.509 certificate
	AccessLog   string // in the form of merkle.NewKey: checkpoints of the access log
}

// MakeKeys finds the keys in a directory, or makes them there.
func MakeKeys(dir string) (Keys, error) {
	k := Keys{
		Receipt: filepath.Join(dir, "receipt-key.pem"),
		OpenDSR: filepath.Join(dir, "opendsr-key.pem"), OpenDSRCert: filepath.Join(dir, "opendsr-cert.pem"),
		AccessLog: filepath.Join(dir, "access-log-key"),
	}
	if err := makeLogKey(k.AccessLog); err != nil {
		return k, err
	}
	if _, err := os.Stat(k.OpenDSRCert); !errors.Is(err, os.ErrNotExist) { // the last to be written
		return k, err
	}
	if err := MakeReceiptKey(k.Receipt); err != nil {
		return k, err
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return k, fmt.Errorf("make the key of OpenDSR: %w", err)
	}
	if err := WriteKey(k.OpenDSR, key); err != nil {
		return k, err
	}
	// A root of its own: nobody but a local client has to trust it.
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(10, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return k, fmt.Errorf("make the certificate of OpenDSR: %w", err)
	}
	return k, os.WriteFile(k.OpenDSRCert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), 0o600)
}

// MakeReceiptKey makes the key of receipts alone, for who needs none of the others: an
// RSA key takes a hundred times as long.
func MakeReceiptKey(file string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make the key of receipts: %w", err)
	}
	return WriteKey(file, key)
}

// makeLogKey makes the key of the access log, unless it is there.
func makeLogKey(file string) error {
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	key, err := merkle.NewKey()
	if err != nil {
		return fmt.Errorf("make the key of the access log: %w", err)
	}
	return os.WriteFile(file, []byte(key+"\n"), 0o600)
}

// WriteKey writes a private key to a file, as PEM.
func WriteKey(file string, key crypto.PrivateKey) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("write a key: %w", err)
	}
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}
